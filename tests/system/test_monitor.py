"""Encrypted programs under the plain monitor: how they end, what the monitor learns of a fault, and what ticks cost."""

from pathlib import Path

import pytest

from hakone.isa.cause import Cause, Sub
from hakone.soc.config import PRESETS
from hakone_sim import builder
from hakone_sim.evidence import evidence
from hakone_sim.run import UNHANDLED_TRAP, Result, simulate
from hakone_tools.paths import FIRMWARE
from hakone_tools.programs import KERNELS, Program, build_plain, build_sealed, kernel_sources

CONFIG = PRESETS["default"]
LIBRARY_TEST = Path(__file__).resolve().parents[1] / "tools" / "programs" / "library.c"


@pytest.fixture(scope="module", autouse=True)
def model():
    """Build the simulation once."""
    builder.model(CONFIG)


def run(program: Program, **options) -> Result:
    """Run it, with the bus searched when it is sealed."""
    return simulate(CONFIG, program.elf, fuses=program.fuses, plaintexts=program.plaintexts, **options)


def encrypted(folder: Path, body: str) -> Program:
    """A sealed program of one C file."""
    source = folder / "program.c"
    source.write_text("#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n" + body)
    return build_sealed("program", [source], folder, seed=7)


@pytest.mark.requirement("XM-01")
@pytest.mark.parametrize("wait_seed", [0, 11])
def test_library_works_encrypted_as_it_does_plain(tmp_path, wait_seed):
    """Heap, stack, strings and printing; the same exit code and the same output, whatever the bus does."""
    plain = run(build_plain("p", [LIBRARY_TEST], tmp_path))
    sealed = run(build_sealed("s", [LIBRARY_TEST], tmp_path, seed=2), wait_seed=wait_seed)
    assert (plain.status, sealed.status, sealed.code) == (7, 7, 7)
    assert sealed.uart == plain.uart and b"heap ok" in sealed.uart
    assert sealed.encrypted_instructions > 0.9 * sealed.instructions
    assert sealed.events["line_encrypt"] > 0
    evidence("XM-01", plain.uart.decode(), sealed.uart.decode())


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_passes_encrypted(tmp_path, name):
    result = run(build_sealed(name, kernel_sources(name), tmp_path, seed=3))
    assert result.status == 0, result.uart
    assert result.uart.startswith(f"kernel {name} cycles ".encode())


@pytest.mark.parametrize("code", [0, 1, 99])
def test_exit_code_reaches_the_finisher(tmp_path, code):
    result = run(encrypted(tmp_path, f"int main(void) {{ exit({code}); }}\n"))
    assert (result.status, result.code) == (code, code)


def test_ticks_interrupt_and_resume_the_program(tmp_path):
    """Five ticks of 1 ms at 50 MHz: each is a switch to the monitor and one back, and no register changes."""
    body = """
    int main(void)
    {
        uint32_t x = 1, n = 60000;
        for (uint32_t i = 0; i < n; i++) { x = (x ^ x >> 15) * 1664525u + 1013904223u; } /* no two steps join */
        printf("%08lx\\n", (unsigned long)x);
        return 0;
    }
    """
    result = run(encrypted(tmp_path, body))
    x = 1
    for _ in range(60000):
        x = ((x ^ x >> 15) * 1664525 + 1013904223) & 0xFFFF_FFFF
    assert result.status == 0 and result.uart == f"{x:08x}\n".encode()
    ticks = result.events["interrupt"]
    assert ticks >= result.cycles // 50_000 - 2 > 0
    assert result.events["context_switch"] == 2 * ticks + 2  # the start, and the call at the end


#: Through a volatile variable, or the compiler sees that this cannot be meant and puts an illegal instruction there.
JUMP = "static int place[2]; volatile uint32_t to = (uint32_t){}; ((void (*)(void))to)(); return place[1];"
FAULTS = {
    "memory of the monitor": ("return *(volatile int *)0x80000000;", Cause.REGION, Sub.REGION_NO_ENTRY),
    "a device without window": ("return *(volatile int *)0x100000;", Cause.REGION, Sub.REGION_NO_ENTRY),
    "a store to code": ("*(volatile int *)main = 0; return 0;", Cause.REGION, Sub.REGION_RIGHT),
    "a jump to plain code": (JUMP.format("0x80000000"), Cause.MODE, Sub.MODE_FETCH_OUTSIDE),
    "a jump to data": (JUMP.format("place"), Cause.MODE, Sub.MODE_FETCH_OUTSIDE),
    "an illegal instruction": ('__asm__ volatile(".word 0"); return 0;', Cause.ILLEGAL, Sub.NONE),
    "a machine register": ('__asm__ volatile("csrr t0, mstatus" ::: "t0"); return 0;', Cause.ILLEGAL, Sub.NONE),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_fault_stops_the_program_and_tells_no_address(tmp_path, kind):
    body, cause, sub = FAULTS[kind]
    result = run(encrypted(tmp_path, f'int main(void) {{ puts("before"); {body} }}\n'))
    said = result.uart.decode().splitlines()
    assert said[0] == "before" and len(said) == 2
    words = f"monitor: context 1 stopped: cause {cause.value:#010x}, rule {sub.value:#010x}, "
    assert said[1] == words + "context 0x00000031"  # number 1, sealed, in encrypted mode
    assert result.status == UNHANDLED_TRAP


def test_stack_overflow_faults_at_the_code_region(tmp_path):
    body = "static int deep(volatile int *p) { volatile int x[64]; x[0] = *p; return *p ? deep(x) + x[1] : 0; }\n"
    result = run(encrypted(tmp_path, body + "int main(void) { int x = 1; return deep(&x); }\n"))
    assert f"cause {Cause.REGION.value:#010x}, rule {Sub.REGION_RIGHT.value:#010x}" in result.uart.decode()
    assert result.status == UNHANDLED_TRAP


def test_program_sealed_with_both_ciphers_runs(tmp_path):
    policy = tmp_path / "policy.toml"
    text = (FIRMWARE / "lib" / "sealed.toml").read_text()
    policy.write_text(text.replace('algorithm = "aes128-xts"', 'algorithm = "aes256-xts"', 1))
    result = run(build_sealed("mixed", [LIBRARY_TEST], tmp_path, seed=4, policy=policy))
    assert result.status == 7 and b"heap ok" in result.uart


def test_program_with_another_chips_fuses_does_not_run(tmp_path):
    """Its first instruction is not the landing once it is decrypted with other keys."""
    ours = build_sealed("ours", [LIBRARY_TEST], tmp_path, seed=5)
    theirs = build_sealed("theirs", [LIBRARY_TEST], tmp_path, seed=6)
    result = simulate(CONFIG, ours.elf, fuses=theirs.fuses)
    assert result.status == UNHANDLED_TRAP and result.encrypted_instructions == 0
    assert f"cause {Cause.MODE.value:#010x}, rule {Sub.MODE_NO_LANDING.value:#010x}" in result.uart.decode()


def test_program_without_fuses_does_not_run(tmp_path):
    result = simulate(CONFIG, build_sealed("s", [LIBRARY_TEST], tmp_path, seed=5).elf)
    assert result.status == UNHANDLED_TRAP and result.encrypted_instructions == 0
    assert "trap in the monitor" in result.uart.decode()  # context 1 does not exist
