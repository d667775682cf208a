"""Cocotb testbench of the protection tests: carries out the runs that ``observation.observe`` describes.

It waits for what the programs say (UART lines, stores to agreed words), looks at the memory chip at these moments, may
change it there, and writes down what an outsider has: the chip, the bus, the snooper's counts.
"""

import json
import os
from pathlib import Path
from typing import Any

import cocotb

from hakone_sim.cocotb_support import Bench
from hakone_sim.program import load

FOLDER = Path(os.environ.get("HAKONE_JOBS", "."))


def cache_lines(dut: Any) -> dict:
    """Contents of the first-level caches: the data cache's valid lines, and every word of the instruction cache.

    Only in the white-box model, whose memories can be read.
    """
    side, fetch = dut.hakone.inside.data_side.cache, dut.hakone.inside.fetch.cache
    lines = []
    for way in (0, 1):
        tags, words = getattr(side, f"tags_{way}"), getattr(side, f"data_{way}")
        for number in range(len(tags)):
            tag = int(tags[number].value)
            if tag & 1:
                line = b"".join(int(words[8 * number + n].value).to_bytes(8, "little") for n in range(8))
                lines.append({"set": number, "tag": tag, "data": line.hex()})
    code = [
        int(ram[n].value).to_bytes(8, "little").hex() for ram in (fetch.data0, fetch.data1) for n in range(len(ram))
    ]
    return {"data": lines, "code": code}


async def run(dut: Any, bench: Bench, job: dict) -> dict:
    """One run; returns what is written down about it beside its files."""
    name = job["name"]
    bench.start(
        load(job["program"]["elf"], bench.config.ram_bytes).patched(dict(job["patches"])),
        fuses=job["program"]["fuses"],
        plaintexts=job["program"]["plaintexts"],
        count_only=True,
        latency=3,
        wait_seed=job["wait_seed"],
        max_cycles=job["max_cycles"],
        trace=FOLDER / f"{name}.trace",
        ram_out=FOLDER / f"{name}.memory",
        bus_out=FOLDER / f"{name}.bus",
        uart_output="",
    )
    for step in job["steps"]:
        if "store" in step:
            bench.watch(step["store"])
    reads, caches = [], []
    for step in job["steps"]:
        if "store" in step:
            await bench.store_to(step["store"])
        else:
            await bench.line(step["line"])
        reads.append([bench.read_memory(address, size).hex() for address, size in step.get("read", ())])
        if step.get("cache"):
            caches.append(cache_lines(dut))
        for address, data in step.get("write", ()):
            bench.write_memory(address, bytes.fromhex(data))
    result = await bench.finished()
    return {
        "status": result.status,
        "reason": f"{result.reason} {result.detail}".strip(),
        "uart": result.uart.decode(errors="replace"),
        "snooper": result.snooper,
        "events": result.events,
        "reads": reads,
        "caches": caches,
    }


@cocotb.test()
async def observed_runs(dut):
    """Every run ends by itself, and was watched: the snooper has searched what crossed the bus."""
    bench = Bench(dut)
    for job in json.loads((FOLDER / "jobs.json").read_text()):
        found = await run(dut, bench, job)
        cocotb.log.info("%s: %s, %s", job["name"], found["reason"], found["snooper"])
        assert found["snooper"]["windows_searched"] > 0
        (FOLDER / f"{job['name']}.json").write_text(json.dumps(found))
