"""Memory in block RAM before the channels of ``cocotbext-axi``."""

import os
import random
from pathlib import Path

import pytest

from hakone.memory.block_memory import BlockMemory
from hakone_sim import unit_model

SEED = int(os.environ.get("HAKONE_SEED", "1"))
SIZE = 16 << 10
IMAGE = random.Random(5).randbytes(300)


@pytest.mark.long
def test_traffic_of_every_kind(tmp_path):
    print(f"HAKONE_SEED={SEED}")
    text = unit_model.generate("block_memory", lambda: BlockMemory(SIZE, IMAGE), Path(__file__))
    environment = {"HAKONE_BLOCK_BYTES": str(SIZE), "HAKONE_BLOCK_IMAGE": IMAGE.hex(), "HAKONE_SEED": str(SEED)}
    tests = Path(__file__).parent / "cocotb_block_memory.py"
    assert len(unit_model.run_cocotb(tests, text, "block_memory", tmp_path, environment)) == 5


@pytest.mark.parametrize(
    "size, image, words", [(1000, b"", "power of two"), (512, b"", "power of two"), (1024, bytes(1025), "1025 bytes")]
)
def test_impossible_choice_is_refused(size, image, words):
    with pytest.raises(ValueError, match=words):
        BlockMemory(size, image)
