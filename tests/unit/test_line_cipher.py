"""The line cipher before an AXI4 memory of other people's making (``cocotbext-axi``), judged by ``cryptography``."""

import os

import pytest

from hakone_sim import line_bench
from hakone_sim.evidence import evidence

SEED = int(os.environ.get("HAKONE_SEED", "1"))


@pytest.mark.long
@pytest.mark.requirement("PX-03")
@pytest.mark.requirement("AR-12")
def test_lines_are_ciphertext_on_the_bus_and_come_back(tmp_path):
    print(f"HAKONE_SEED={SEED}")
    folders = [tmp_path / "cipher", tmp_path / "control"]
    for folder in folders:
        folder.mkdir()
    passed, counts = line_bench.judge(folders[0], SEED)
    assert len(passed) == 12
    assert counts["lines"] > 1000 and counts["words"] > 8000
    # The same traffic with the cipher left out: there the search finds the plaintext.
    passed, control = line_bench.judge(folders[1], SEED, cipher=False)
    assert len(passed) == 9
    assert control["plaintext"] > 1000
    what = "plaintext words on the bus"
    for requirement in ("PX-03", "AR-12"):
        found = "succeeded" if control["plaintext"] else "void"
        evidence(requirement, {what: 0}, {what: counts["plaintext"]}, found)
