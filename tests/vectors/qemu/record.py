"""Records how QEMU's ``virt`` devices answer: runs a list of accesses bare-metal and writes each answer behind its
access.

    python tests/vectors/qemu/record.py tests/vectors/qemu/uart.txt [...]

Needs ``qemu-system-riscv32`` and the ``ziglang`` package; the tests that read the files need neither. A file holds one
access per line, ``r1|r2|r4 ADDRESS``, ``w1|w2|w4 ADDRESS VALUE`` (hexadecimal), ``mip`` (the interrupt-pending
register) or ``wait N`` (N rounds of an empty loop); ``#`` begins a comment. The answer follows as ``= VALUE``, as ``!
CAUSE`` for a trap, or not at all. A file whose first line is ``# exit`` has one access that ends the machine per line;
the answer is ``exit STATUS`` or ``goes on``.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

QEMU = [
    "qemu-system-riscv32",
    "-M",
    "virt",
    "-bios",
    "none",
    "-display",
    "none",
    "-monitor",
    "none",
    "-serial",
    "stdio",
]
QEMU += ["-no-reboot"]
ZIG = [
    sys.executable,
    "-m",
    "ziglang",
    "cc",
    "-target",
    "riscv32-freestanding-none",
    "-nostdlib",
    "-Wl,--build-id=none",
]
ZIG += ["-mcpu=generic_rv32+m+a+zicsr"]
OPERATIONS = {"r1": 1, "r2": 2, "r4": 4, "w1": 17, "w2": 18, "w4": 20, "mip": 32, "wait": 48}
LINKER_SCRIPT = (
    "ENTRY(_start) SECTIONS { . = 0x80000000; .text : { *(.text*) } .data : { *(.data*) } .bss : { *(.bss*) } }"
)

# s0 next access, s1 next answer (two words: 0 or cause + 1, value). Every access is a 4-byte instruction.
PROGRAM = """
.text
.globl _start
_start:
    la t0, trapped
    csrw mtvec, t0
    la s0, accesses
    la s1, answers
next:
    lw t0, 0(s0)
    lw a1, 4(s0)
    lw a2, 8(s0)
    addi s0, s0, 12
    sw zero, 0(s1)
    li a3, 0
    beqz t0, print
    li t1, 1
    beq t0, t1, do_r1
    li t1, 2
    beq t0, t1, do_r2
    li t1, 4
    beq t0, t1, do_r4
    li t1, 17
    beq t0, t1, do_w1
    li t1, 18
    beq t0, t1, do_w2
    li t1, 20
    beq t0, t1, do_w4
    li t1, 32
    beq t0, t1, do_mip
do_wait:
    addi a2, a2, -1
    bnez a2, do_wait
    j answer
do_r1: lbu a3, 0(a1)
    j answer
do_r2: lhu a3, 0(a1)
    j answer
do_r4: lw a3, 0(a1)
    j answer
do_w1: sb a2, 0(a1)
    j answer
do_w2: sh a2, 0(a1)
    j answer
do_w4: sw a2, 0(a1)
    j answer
do_mip: csrr a3, mip
answer:
    sw a3, 4(s1)
    addi s1, s1, 8
    j next
    .balign 4
trapped:
    csrr t2, mcause
    addi t2, t2, 1
    sw t2, 0(s1)
    csrr t2, mepc
    addi t2, t2, 4
    csrw mepc, t2
    mret
print:
    li a0, 0x10000000
    sb zero, 1(a0)
    sb zero, 3(a0)
    sb zero, 1(a0)
    sb zero, 2(a0)
    li t0, 8
    sb t0, 4(a0)
    la s2, answers
print_word:
    bgeu s2, s1, finish
    lw a1, 0(s2)
    addi s2, s2, 4
    li t2, 28
print_digit:
    srl t0, a1, t2
    andi t0, t0, 15
    addi t0, t0, 48
    li t1, 58
    bltu t0, t1, 1f
    addi t0, t0, 39
1:  lbu t1, 5(a0)
    andi t1, t1, 0x20
    beqz t1, 1b
    sb t0, 0(a0)
    addi t2, t2, -4
    bgez t2, print_digit
    li t0, 10
    sb t0, 0(a0)
    j print_word
finish:
    li t0, 0x100000
    li t1, 0x00423333
    sw t1, 0(t0)
1:  j 1b
.data
.balign 4
accesses:
%s
    .word 0, 0, 0
answers: .space 8 * %d
"""


def parse(text):
    """(operation, address, value) of every access of a file, with the line it stands on."""
    out = []
    for number, line in enumerate(text.splitlines()):
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] not in OPERATIONS:
            raise ValueError(f"line {number + 1}: {words[0]}: one of {', '.join(OPERATIONS)} is needed")
        numbers = [int(w, 16) for w in words[1:3] if w not in ("=", "!", "exit", "goes")]
        if words[0] == "wait":
            numbers = [0, int(words[1])]
        out.append((number, words[0], *(numbers + [0, 0])[:2]))
    return out


def run(accesses):
    """Exit status and output of QEMU for a program of these accesses."""
    table = "\n".join(f"    .word {OPERATIONS[op]}, {addr:#x}, {value:#x}" for op, addr, value in accesses)
    with tempfile.TemporaryDirectory() as folder:
        source, script, elf = (Path(folder) / name for name in ("probe.S", "probe.ld", "probe.elf"))
        source.write_text(PROGRAM % (table, len(accesses) + 1))
        script.write_text(LINKER_SCRIPT)
        subprocess.run([*ZIG, "-T", str(script), str(source), "-o", str(elf)], check=True)
        done = subprocess.run([*QEMU, "-kernel", str(elf)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def record(path):
    """Rewrite one file with the answers of QEMU."""
    lines = path.read_text().splitlines()
    accesses = parse(path.read_text())
    ends = lines[0].startswith("# exit")
    if ends:
        answers = []
        for _, *access in accesses:
            status, _ = run([access])
            answers.append("goes on" if status == 0x42 else f"exit {status}")
    else:
        status, text = run([access for _, *access in accesses])
        words = [int(w, 16) for w in text.split()[-2 * len(accesses) :]]
        if status != 0x42 or len(words) != 2 * len(accesses):
            raise RuntimeError(f"{path}: QEMU ended with {status} after {len(words)} words")
        answers = []
        for n, (_, op, _, _) in enumerate(accesses):
            trap, value = words[2 * n : 2 * n + 2]
            told = f"= {value:08x}" if op[0] in "rm" else ""
            answers.append(f"! {trap - 1}" if trap else told)
    for (number, op, addr, value), answer in zip(accesses, answers, strict=True):
        body, _, comment = lines[number].partition("#")
        access = {"r": f"{op} {addr:08x}", "w": f"{op} {addr:08x} {value:08x}", "m": op}[op[0]]
        if op == "wait":
            access = f"wait {value}"
        lines[number] = f"{access} {answer}".rstrip() + (f"  # {comment.strip()}" if comment else "")
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        record(Path(name))
        print(name)
