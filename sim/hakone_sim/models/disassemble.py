"""Disassembly for reports: capstone for the standard instructions, the list in ``isa.encoding`` for custom-0.

Capstone is given one instruction at a time, cut by its two low bits, because it resynchronises two bytes further after
a word that it does not know.
"""

import capstone

from hakone.isa.encoding import CUSTOM_INSTRUCTIONS

_CAPSTONE = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)


def disassemble(raw: int, pc: int = 0) -> str:
    """One line of assembly for the instruction word ``raw`` (zero-extended when compressed) at address ``pc``."""
    size = 4 if raw & 3 == 3 else 2
    for custom in CUSTOM_INSTRUCTIONS:
        if raw & custom.mask == custom.match and size == 4:
            fields = (("rd", custom.rd, 7), ("rs1", custom.rs1, 15), ("rs2", custom.rs2, 20))
            return f"{custom.name} " + ", ".join(f"x{raw >> at & 31}" for _, used, at in fields if used)
    for instruction in _CAPSTONE.disasm((raw & 0xFFFF_FFFF).to_bytes(4, "little")[:size], pc):
        if instruction.size == size:
            return f"{instruction.mnemonic} {instruction.op_str}".rstrip()
    return f".{'word' if size == 4 else 'half'} {raw:#0{2 + 2 * size}x}"
