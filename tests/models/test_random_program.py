"""Random programs: the same seed gives the same program, and what a program contains."""

import io

from elftools.elf.elffile import ELFFile

from hakone.isa.platform import RAM_BASE
from hakone_sim.models.decode import INSTRUCTION_NAMES, decode
from hakone_sim.random_pairs import PAIRS, STALLS
from hakone_sim.random_program import random_program


def words(code: bytes):
    """Decode from the start on; words that are data decode as whatever they look like."""
    at = 0
    while at < len(code) - 3:
        raw = int.from_bytes(code[at : at + 4], "little")
        found = decode(raw if raw & 3 == 3 else raw & 0xFFFF)
        if found:
            yield found
        at += 4 if raw & 3 == 3 else 2


def test_same_seed_gives_same_bytes():
    """And another seed gives others."""
    assert random_program(5).elf() == random_program(5).elf()
    assert random_program(5).segments != random_program(6).segments


def test_every_instruction_is_generated():
    """Over a few programs, statically."""
    seen = {found.name for seed in range(30) for found in words(random_program(seed).segments[0][1])}
    assert set(INSTRUCTION_NAMES) - seen == set()


def test_elf_is_a_riscv_executable():
    """As an independent reader sees it."""
    program = random_program(9, blocks=20)
    elf = ELFFile(io.BytesIO(program.elf()))
    assert elf["e_machine"] == "EM_RISCV" and elf["e_entry"] == RAM_BASE
    assert [s.data() for s in elf.iter_segments("PT_LOAD")] == [content for _, content in program.segments]


def test_pairs_are_all_of_them():
    """Every ordered pair of every reason to wait."""
    assert len(PAIRS) == len(STALLS) ** 2 == 100
