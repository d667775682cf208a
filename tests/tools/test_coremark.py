"""CoreMark's porting layer and how its run is judged, on a stand-in of our own that has the same interface."""

from pathlib import Path

import pytest

from hakone.soc.config import PRESETS
from hakone_sim.run import simulate
from hakone_tools import bench, bench_coremark
from hakone_tools.bench_coremark import FILES, find, gather, read_score
from hakone_tools.compiler import compile_program
from hakone_tools.errors import ToolError

HEADER = """
#define SEED_VOLATILE 2
#define MEM_STACK 2
#include "core_portme.h"
#if HAS_STDIO
#include <stdio.h>
#endif
#define ee_printf printf
typedef ee_u32 secs_ret;
void start_time(void);
void stop_time(void);
CORE_TICKS get_time(void);
secs_ret time_in_secs(CORE_TICKS ticks);
"""
MAIN = """
#include "coremark.h"
extern volatile ee_s32 seed1_volatile, seed2_volatile, seed3_volatile, seed4_volatile, seed5_volatile;
int main(void)
{
    core_portable port;
    int arguments = 0;
    portable_init(&port, &arguments, 0);
    start_time();
    for (volatile int i = 0; i < 1000 * seed4_volatile; i++) {
    }
    stop_time();
    int right = seed1_volatile == 0 && seed2_volatile == 0 && seed3_volatile == 0x66 && seed5_volatile == 0
        && align_mem(5) == (void *)8 && align_mem(8) == (void *)8 && sizeof(ee_ptr_int) == sizeof(void *);
    ee_printf("Total ticks      : %lu\\n", (unsigned long)get_time());
    ee_printf("Total time (secs): %d\\n", (int)time_in_secs(2500000));
    ee_printf("Iterations       : %lu\\n", (unsigned long)seed4_volatile);
    if (right)
        ee_printf("Correct operation validated. See README.md for run and reporting rules.\\n");
    else
        ee_printf("[0]ERROR! list crc 0x0000 - should be 0x0001\\nErrors detected\\n");
    portable_fini(&port);
    return 0;
}
"""


def stand_in(folder: Path) -> Path:
    """A folder with files of CoreMark's names, in a folder below, beside a port that must not be taken."""
    below = folder / "src"
    below.mkdir(parents=True)
    for name in FILES:
        (below / name).write_text("")
    (below / "coremark.h").write_text(HEADER)
    (below / "core_main.c").write_text(MAIN)
    (below / "core_portme.h").write_text("#error the user's port\n")
    return folder


def run(folder: Path, work: Path):
    sources, options = gather(folder, work)
    elf = work / "program.elf"
    compile_program([str(s) for s in sources], str(elf), options)
    return simulate(PRESETS["default"], elf, latency=10, max_cycles=None)


def test_port_runs_what_it_is_given_and_counts_its_cycles(tmp_path):
    result = run(stand_in(tmp_path / "copy"), tmp_path)
    score = read_score(result)
    assert score.iterations == 16
    assert 16_000 * 4 < score.cycles < result.cycles
    assert score.per_mhz == pytest.approx(16e6 / score.cycles)
    assert b"Total time (secs): 10\n" in result.uart


def test_run_that_finds_an_error_does_not_count(tmp_path):
    folder = stand_in(tmp_path / "copy")
    main = folder / "src" / "core_main.c"
    main.write_text(main.read_text().replace("seed3_volatile == 0x66", "seed3_volatile == 0x67"))
    with pytest.raises(RuntimeError, match="list crc 0x0000 - should be 0x0001; Errors detected"):
        read_score(run(folder, tmp_path))


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(ToolError, match="no such folder"):
        find(tmp_path / "absent")
    folder = stand_in(tmp_path / "copy")
    (folder / "src" / "core_state.c").unlink()
    with pytest.raises(ToolError, match="core_state.c not found there or below"):
        find(folder)


def test_changed_files_are_told_when_the_copy_has_checksums(tmp_path):
    files = find(stand_in(tmp_path / "copy"))
    assert bench_coremark.changed(files) is None
    empty = "d41d8cd98f00b204e9800998ecf8427e"
    (tmp_path / "copy" / "src" / "coremark.md5").write_text("".join(f"{empty}  {n}\n" for n in FILES))
    assert set(bench_coremark.changed(files) or []) == {"core_main.c", "coremark.h"}


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--only", "coremark"], "COREMARK: not given"),
        (["--only", "coremark", "--coremark", "no/such"], "no such folder"),
        (["--only", "nothing"], "no such part"),
    ],
)
def test_bench_refuses_in_one_line(capsys, arguments, said):
    assert bench.main(arguments) == 2
    text = capsys.readouterr().err
    assert said in text and text.count("\n") == 1
