"""``hakone cc``: what it compiles runs on an independent machine, and what it cannot compile is said in one line."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import load_segments, run_plain

ROOT = Path(__file__).resolve().parents[2]
HELLO = ROOT / "firmware" / "apps" / "hello" / "hello.c"
PROGRAMS = Path(__file__).parent / "programs"


def test_hello_runs_on_another_machine(hakone, tmp_path):
    done = hakone("cc", HELLO, "-o", tmp_path / "hello.elf")
    assert (done.status, done.err) == (0, "")
    assert run_plain(tmp_path / "hello.elf") == (0, "Hello from Hakone.\n")


@pytest.mark.parametrize("level", ["0", "s", "3"])
def test_library_does_what_c_says_at_every_level(hakone, tmp_path, level):
    assert hakone("cc", PROGRAMS / "library.c", f"-O{level}", "-o", tmp_path / "a.elf").status == 0
    code, printed = run_plain(tmp_path / "a.elf")
    assert printed.splitlines() == [
        "[-1] [   42] [42   ] [-0042] [2147483647]",
        "[4294967295] [beef] [BEEF] [0000cafe] [18446744073709551615]",
        "[-9223372036854775808] [x] [text] [   right] [left    ] [cut] [   7] [%]",
        "[0.000000] [0.333333] [-0.333] [1] [3]",
        "[    3.14] [3.14    ] [-0003.14] [+9.9] [9.9]",
        "[10000000000000000000.000000] [0.000000] [0.100000000000000006] [inf] [inf] behind",
        "[-3.00] [-0.25] [-1.00] [1.50] [1.4142]",
        "16 longer ",
        "heap ok",
        "copies ok",
        "strings ok",
    ]
    assert code == 7


def _run_qemu(path: Path) -> tuple[int, str]:
    command = ["qemu-system-riscv32", "-M", "virt", "-bios", "none", "-nographic", "-kernel", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout


needs_qemu = pytest.mark.skipif(
    subprocess.run(["which", "qemu-system-riscv32"], capture_output=True).returncode != 0, reason="no QEMU here"
)


@needs_qemu  # Unicorn takes no traps
def test_own_trap_handler_changes_registers_and_goes_on(hakone, tmp_path):
    assert hakone("cc", PROGRAMS / "traps.c", "-D", "OWN_HANDLER", "-o", tmp_path / "a.elf").status == 0
    assert _run_qemu(tmp_path / "a.elf") == (0, "cause 3, a0 5\n")


@needs_qemu
def test_trap_without_handler_ends_with_its_cause(hakone, tmp_path):
    assert hakone("cc", PROGRAMS / "traps.c", "-o", tmp_path / "a.elf").status == 0
    code, printed = _run_qemu(tmp_path / "a.elf")
    assert code == 102 and printed.startswith("unhandled trap: cause 0x00000003 at 0x8000")


def test_macros_and_header_folders_reach_the_compiler(hakone, tmp_path):
    (tmp_path / "inc").mkdir()
    (tmp_path / "inc" / "own.h").write_text("#define BASE 30\n")
    (tmp_path / "a.c").write_text('#include "own.h"\nint main(void) { return BASE + MORE + EXTRA; }\n')
    source, inc, out = tmp_path / "a.c", tmp_path / "inc", tmp_path / "a.elf"
    done = hakone("cc", source, f"-I{inc}", "-DMORE=3", "-D", "EXTRA", "-std=c99", "-fno-inline", "-o", out)
    assert done.status == 0
    assert run_plain(tmp_path / "a.elf")[0] == 34


def test_own_function_takes_the_place_of_the_librarys(hakone, tmp_path):
    (tmp_path / "a.c").write_text('int puts(const char *s) { return s[0]; }\nint main(void) { return puts("!"); }\n')
    assert hakone("cc", tmp_path / "a.c", "-fno-builtin", "-o", tmp_path / "a.elf").status == 0
    assert run_plain(tmp_path / "a.elf") == (ord("!"), "")


def test_own_start_and_script_replace_ours(hakone, tmp_path):
    (tmp_path / "a.S").write_text('.section .mine,"ax"\n.globl _start\n_start: li a0, 0x33330000\n1: j 1b\n')
    (tmp_path / "a.ld").write_text("ENTRY(_start)\nSECTIONS { . = 0x80001000; .mine : { *(.mine) } }\n")
    script, out = tmp_path / "a.ld", tmp_path / "a.elf"
    assert hakone("cc", tmp_path / "a.S", "--no-startup", "--linker-script", script, "-o", out).status == 0
    assert load_segments(out)[0][0] == 0x8000_1000


def test_sizes_of_heap_and_stack_are_as_asked(hakone, tmp_path):
    out = tmp_path / "a.elf"
    assert hakone("cc", HELLO, "-o", out, "--heap-bytes", 0x20000, "--stack-bytes", 0x100).status == 0
    small = sum(len(content) for _, content in load_segments(out))
    assert hakone("cc", HELLO, "-o", out, "--heap-bytes", 0x30000, "--stack-bytes", 0x100).status == 0
    assert sum(len(content) for _, content in load_segments(out)) - small == 0x10000


def test_warning_is_shown_and_does_not_stop(hakone, tmp_path):
    (tmp_path / "a.c").write_text("int main(void) { int unused; return 0; }\n")
    done = hakone("cc", tmp_path / "a.c", "-o", tmp_path / "a.elf")
    assert done.status == 0 and "unused variable" in done.err and (tmp_path / "a.elf").exists()


def test_source_that_does_not_compile_leaves_no_program(hakone, tmp_path):
    (tmp_path / "a.c").write_text("int main(void) { return nothing; }\n")
    done = hakone("cc", tmp_path / "a.c", "-o", tmp_path / "a.elf")
    last = done.err.splitlines()[-1]
    assert done.status == 2 and "undeclared identifier" in done.err
    assert last == f"hakone cc: {tmp_path / 'a.c'}: does not compile; see the messages above"
    assert not (tmp_path / "a.elf").exists()


def test_monitor_and_encrypted_program_cannot_name_each_other(hakone, tmp_path):
    (tmp_path / "a.c").write_text("void monitor_main(void);\nint main(void) { monitor_main(); return 0; }\n")
    done = hakone("cc", "--sealed", tmp_path / "a.c", "-o", tmp_path / "a.elf")
    assert done.status == 2 and "prohibited cross reference" in done.err
    assert not (tmp_path / "a.elf").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["cc", "no.c", "-o", "a.elf"], ["hakone cc: no.c: no such file"]),
        (["cc", "a.txt", "-o", "a.elf"], ["a.txt", "neither C nor assembly"]),
        (["cc", "-o", "a.elf"], ["SRC...: missing"]),
        (["cc", HELLO], ["-o: missing"]),
        (["cc", HELLO, "-o"], ["-o: ", "requires an argument"]),
        (["cc", HELLO, "-o", "no/a.elf"], ["no/a.elf", "does not exist"]),
        (["cc", HELLO, "-o", "."], ["hakone cc: .: is a folder"]),
        (["cc", HELLO, "-o", "a.elf", "--linker-scrip", "x"], ["--linker-scrip: no such option", "--linker-script?"]),
        (["cc", HELLO, "-o", "a.elf", "--linker-script", "x.ld"], ["x.ld: no such file"]),
        (["cc", HELLO, "-o", "a.elf", "-O7"], ["-O: '7'"]),
        (["cc", HELLO, "-o", "a.elf", "--heap-bytes", "lots"], ["--heap-bytes", "lots"]),
        (["compile", HELLO], ["hakone: compile: no such verb"]),
        (["sael", HELLO], ["hakone: sael: no such verb", "did you mean seal?"]),
    ],
)
def test_bad_call_is_one_line(hakone, tmp_path, monkeypatch, arguments, parts):
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("x")
    done = hakone(*arguments)
    assert done.is_one_line(*parts), done.err
    assert not Path("a.elf").exists()


def test_unknown_compiler_is_named(hakone, tmp_path, monkeypatch):
    monkeypatch.setenv("HAKONE_CC", "no-such-gcc -pipe")
    assert hakone("cc", HELLO, "-o", tmp_path / "a.elf").is_one_line("HAKONE_CC", "no-such-gcc")


def test_named_compiler_is_used(hakone, tmp_path, monkeypatch):
    """A compiler that says it is gcc: it gets gcc's flags for this machine, and what it leaves is what we get."""
    fake = tmp_path / "gcc.py"
    fake.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"open({str(tmp_path / 'log')!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))\n"
        "if '-o' in sys.argv: open(sys.argv[sys.argv.index('-o') + 1], 'wb').write(b'made')\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("HAKONE_CC", f"{fake} --extra")
    assert hakone("cc", HELLO, "-o", tmp_path / "a.elf").status == 0
    assert (tmp_path / "a.elf").read_bytes() == b"made"
    calls = (tmp_path / "log").read_text().splitlines()
    assert all(c.startswith("--extra") for c in calls)
    assert any("-march=rv32imac_zicsr_zifencei -mabi=ilp32 -c" in c and "hello.c" in c for c in calls)
    assert "-lgcc" in calls[-1]


def test_program_is_the_same_from_any_folder(hakone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hakone("cc", HELLO, "-o", "a.elf").status == 0
    monkeypatch.chdir(ROOT)
    assert hakone("cc", os.path.relpath(HELLO), "-o", tmp_path / "b.elf").status == 0
    assert load_segments(tmp_path / "a.elf") == load_segments(tmp_path / "b.elf")


def test_machine_and_class_are_riscv32(hakone, tmp_path):
    assert hakone("cc", HELLO, "-o", tmp_path / "a.elf").status == 0
    head = (tmp_path / "a.elf").read_bytes()[:20]
    assert head[4:6] == b"\x01\x01" and struct.unpack_from("<H", head, 18)[0] == 243


def test_a_header_found_by_the_same_text_elsewhere_is_not_mistaken(tmp_path):
    """The compiler's cache once gave the first folder's program to the second."""
    source = tmp_path / "m.c"
    source.write_text('#include "x.h"\nint main(void) { return VALUE; }\n')
    made = []
    for name, value in (("p", 11), ("q", 22)):
        folder = tmp_path / name
        (folder / "inc").mkdir(parents=True)
        (folder / "inc" / "x.h").write_text(f"#define VALUE {value}\n")
        command = [sys.executable, "-m", "hakone_tools", "cc", "-I", "inc", str(source), "-o", "m.elf"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        made.append((folder / "m.elf").read_bytes())
    assert made[0] != made[1]
