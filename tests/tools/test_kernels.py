"""The benchmark kernels compute what the Python models say, and their own check can fail."""

import re
from pathlib import Path

import kernel_models
import pytest
from conftest import run_plain

from hakone_tools.programs import KERNEL_FOLDER, KERNELS, build_plain, build_sealed, kernel_sources

DCACHE_BYTES = 8192


def _expected(name: str) -> int:
    return int(re.search(r", (0x[0-9A-F]{8}), run\}", (KERNEL_FOLDER / f"{name}.c").read_text())[1], 16)


def test_every_kernel_has_a_model():
    assert set(kernel_models.MODELS) == set(KERNELS) and len(KERNELS) >= 8


@pytest.mark.parametrize("name", KERNELS)
def test_expected_result_is_the_models(name):
    assert _expected(name) == kernel_models.MODELS[name]()


def _without_counters(sources: list[Path], folder: Path) -> list[Path]:
    """The kernel with another main: Unicorn's counters do not matter and its cycle CSR is not there in every model."""
    main = folder / "main.c"
    main.write_text('#include "kernel.h"\nint main(void) { return kernel.run() == kernel.expected ? 0 : 1; }\n')
    text = sources[0].read_text().replace('#include "kernel.h"', f'#include "{KERNEL_FOLDER / "kernel.h"}"')
    kernel = folder / sources[0].name
    kernel.write_text(text)
    main.write_text(main.read_text().replace('"kernel.h"', f'"{KERNEL_FOLDER / "kernel.h"}"'))
    return [kernel, main]


@pytest.mark.long
@pytest.mark.parametrize("name", KERNELS)
def test_compiled_kernel_passes_its_own_check(tmp_path, name):
    program = build_plain(name, _without_counters(kernel_sources(name), tmp_path), tmp_path)
    assert run_plain(program.elf)[0] == 0


@pytest.mark.parametrize("name", ["crc32", "list"])
def test_kernel_fails_when_its_result_differs(tmp_path, name):
    sources = _without_counters(kernel_sources(name), tmp_path)
    sources[0].write_text(sources[0].read_text().replace(f"0x{_expected(name):08X}", f"0x{_expected(name) ^ 1:08X}"))
    assert run_plain(build_plain(name, sources, tmp_path).elf)[0] == 1


@pytest.mark.long
def test_three_working_sets_exceed_the_data_cache(tmp_path):
    """The stated figures, read out of the compiled programs."""
    sizes = {}
    for name in KERNELS:
        sources = _without_counters(kernel_sources(name), tmp_path)
        sources[1].write_text(
            sources[1].read_text().replace("kernel.run() == kernel.expected ? 0 : 1", "kernel_size()")
        )
        sources[1].write_text(
            sources[1]
            .read_text()
            .replace(
                "int main", "static int kernel_size(void) { return (int)(kernel.working_set_bytes / 256); }\nint main"
            )
        )
        sizes[name] = run_plain(build_plain(name, sources, tmp_path).elf)[0] * 256
    assert sum(size > DCACHE_BYTES for size in sizes.values()) >= 3, sizes


def test_kernel_builds_sealed_and_in_the_open(tmp_path):
    sealed = build_sealed("crc32", kernel_sources("crc32"), tmp_path, seed=1)
    opened = build_sealed("crc32", kernel_sources("crc32"), tmp_path, seed=1, in_the_open=True)
    assert sealed.fuses.read_bytes() == opened.fuses.read_bytes()
    assert sealed.elf.read_bytes() != opened.elf.read_bytes()
    assert sealed.symbols()["main"] == opened.symbols()["main"]
