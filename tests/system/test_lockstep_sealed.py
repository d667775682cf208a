"""Encrypted programs in lockstep: every register of the running program equals that of a reference without
encryption."""

import pytest

from hakone.soc.config import PRESETS
from hakone_sim import builder, lockstep
from hakone_sim.evidence import evidence
from hakone_sim.models.mismatch import MismatchError
from hakone_tools.paths import FIRMWARE
from hakone_tools.programs import KERNEL_FOLDER, build_sealed

CONFIG = PRESETS["default"]


@pytest.fixture(scope="module", autouse=True)
def model():
    """Build the simulation once."""
    builder.model(CONFIG)


def sources(name: str) -> list:
    """Sources of a kernel."""
    return [KERNEL_FOLDER / f"{name}.c", KERNEL_FOLDER / "kernel_main.c"]


@pytest.mark.requirement("PX-05")
@pytest.mark.parametrize("algorithm", ["aes128-xts", "aes256-xts"])
@pytest.mark.parametrize("kernel", ["crc32", "records"])
def test_registers_of_an_encrypted_program_equal_the_reference(kernel, algorithm, tmp_path):
    """The reference runs the program as it was before it was sealed; monitor, context switches and traps included."""
    policy = tmp_path / "policy.toml"
    policy.write_text((FIRMWARE / "lib" / "sealed.toml").read_text().replace("aes128-xts", algorithm))
    seed = len(kernel) + 10 * int(algorithm[3])
    program = build_sealed(kernel, sources(kernel), tmp_path, seed, policy=policy)
    outcome = lockstep.run(
        program.elf, CONFIG, plain=program.linked, fuses=program.fuses, latency=3 + seed, wait_seed=seed
    )
    encrypted = outcome.result.encrypted_instructions
    print(f"{kernel}: {outcome.instructions} instructions, {encrypted} of them encrypted")
    assert encrypted > 10_000
    evidence("PX-05", "every register equals the reference", "every register equals the reference")


def test_ciphertext_is_not_what_runs(tmp_path):
    """Control: a reference that is given what stands in memory, the ciphertext, disagrees at once."""
    program = build_sealed("crc32", sources("crc32"), tmp_path, 4)
    with pytest.raises(MismatchError, match="instruction word"):
        lockstep.run(program.elf, CONFIG, fuses=program.fuses)
