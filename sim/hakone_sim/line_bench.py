"""What the line cipher adds to a line's fill and eviction, in cycles: the cipher by itself before an ideal memory.

The bench holds the line cipher, the XTS engine, the key store and the domain table as the system connects them. Its
C++ side (``cpp_units/line_bench.cpp``) is a memory that answers a read N cycles after its address was taken and then
gives a beat a cycle. The same lines are moved plain and protected in one run.

- ``fill``: from the cycle in which the read request is taken to the cycle of its last beat. ``sequential``: lines in
  order, as programs mostly use them; ``random``: an order in which no next line can be foreseen.
- ``evict``: from the cycle in which the first word of the line is offered to the acknowledgement. The line was read
  before, to a slot, as every line that the data cache writes back. It is announced and requested as by the victim
  buffer: ``REQUEST_CYCLES`` and ``WORD_CYCLES`` are those of the data side, where ``test_miss_unit_lines.py`` holds
  them.

``judge`` runs cocotb tests of the same bench before an independent memory.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hakone.bus.axi4 import Axi4
from hakone.bus.core_ports import DomainRow, LinePort
from hakone.crypto.boot_loader import KeyWord
from hakone.crypto.domains import DomainTable
from hakone.crypto.key_store import KeyStore
from hakone.memory.line_cipher import LineCipher
from hakone.memory.xts import XtsLine

from . import unit_model

CPP = Path(__file__).resolve().parent / "cpp_units" / "line_bench.cpp"
TESTS = unit_model.builder.ROOT / "tests" / "unit" / "cocotb_line_cipher.py"
LATENCIES = (2, 10, 14, 30)
#: From a line's announcement to the request of its write, and from when that is taken to its first word.
REQUEST_CYCLES, WORD_CYCLES = 0, 1
#: Suffix of the figure's name for each order of the lines; the first is the published one.
ORDERS = {"sequential": "", "random": ".random"}


class LineBench(wiring.Component):
    """Line cipher with engine, key store and domains. ``lines``, ``axi`` and ``install`` lead out as they are.

    ``domain_install`` (one cycle) with ``domain_number`` and ``domain_row``. With ``cipher`` False the engine is left
    out.
    """

    def __init__(self, cipher: bool = True):
        self._cipher = cipher
        super().__init__(
            {
                "lines": In(LinePort()),
                "axi": Out(Axi4()),
                "key_valid": In(1),
                "key_ready": Out(1),
                "key": In(KeyWord),
                "slots": Out(16),
                "domain_install": In(1),
                "domain_number": In(4),
                "domain_row": In(DomainRow),
            }
        )

    def elaborate(self, _platform) -> Module:
        """Wires only."""
        m = Module()
        m.submodules.cipher = cipher = LineCipher(self._cipher)
        m.submodules.domains = domains = DomainTable(ports=2)
        wiring.connect(m, wiring.flipped(self.lines), cipher.lines)
        wiring.connect(m, cipher.axi, wiring.flipped(self.axi))
        wiring.connect(m, cipher.read_domain, domains.read[0])
        wiring.connect(m, cipher.write_domain, domains.read[1])
        m.d.comb += [
            domains.install.eq(self.domain_install),
            domains.install_domain.eq(self.domain_number),
            domains.install_row.eq(self.domain_row),
            cipher.flush.eq(self.domain_install),
            cipher.key_valid.eq(0xFFFF),
            self.slots.eq(0xFFFF),
            self.key_ready.eq(1),
        ]
        if self._cipher:
            self._add_engine(m, cipher)
        return m

    def _add_engine(self, m: Module, cipher: LineCipher) -> None:
        m.submodules.keys = keys = KeyStore()
        m.submodules.engine = engine = XtsLine()
        wiring.connect(m, engine.tweak_keys, keys.tweak_keys)
        for lane, port in enumerate(keys.data_keys):
            wiring.connect(m, engine.data_keys[lane], port)
        for name in ("prepare", "start", "data", "result"):
            wiring.connect(m, getattr(cipher.engine, name), getattr(engine, name))
        m.d.comb += [
            engine.recall_valid.eq(cipher.engine.recall_valid),
            engine.recall.eq(cipher.engine.recall),
            cipher.key_valid.eq(keys.valid),
            self.slots.eq(keys.valid),
            keys.install.valid.eq(self.key_valid),
            keys.install.payload.eq(self.key),
            self.key_ready.eq(keys.install.ready),
        ]


def judge(folder: Path, seed: int, cipher: bool = True) -> tuple[list[str], dict[str, int]]:
    """Run ``tests/unit/cocotb_line_cipher.py`` with ``seed``: names of the tests that passed, and what they counted.

    ``cipher`` False: the control run. ``folder``, an empty one, takes report, log and counts. Raises ``AssertionError``
    when a test fails.
    """
    name = "line_bench" if cipher else "line_bench_open"
    text = unit_model.generate(name, lambda: LineBench(cipher), Path(__file__))
    environment = {"HAKONE_SEED": str(seed), "HAKONE_LINE_CIPHER_OPEN": str(int(not cipher))}
    passed = unit_model.run_cocotb(TESTS, text, name, folder, environment)
    rows = [json.loads(row) for row in (folder / "counts.jsonl").read_text().splitlines()]
    return passed, {key: sum(row[key] for row in rows) for key in rows[0]}


def measure() -> list[dict]:
    """Raw measurements: ``{"what", "order", "latency", "domain", "cycles"}`` with mean cycles over the lines of a run.

    Raises ``RuntimeError`` when the bench finds a line that does not come back as it went.
    """
    text = unit_model.generate("line_bench", LineBench, Path(__file__))
    model = unit_model.build(text, "line_bench", CPP)
    done = subprocess.run([model, str(REQUEST_CYCLES), str(WORD_CYCLES)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"line bench: {done.stderr.strip() or f'status {done.returncode}'}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def figures() -> Iterator[dict]:
    """Records ``{"name", "value", "unit", "plain"}``: cycles added by AES-128 and AES-256 in XTS mode, plain beside
    them.
    """
    cycles = {(r["what"], r["order"], r["latency"], r["domain"]): r["cycles"] for r in measure()}
    for what, orders in (("fill", ORDERS), ("evict", {"sequential": ""})):
        for domain, cipher in ((1, "xts128"), (2, "xts256")):
            for order, suffix in orders.items():
                for latency in LATENCIES:
                    plain = cycles[what, order, latency, 0]
                    added = cycles[what, order, latency, domain] - plain
                    name = f"{what}.{cipher}.lat{latency}{suffix}.added"
                    yield {"name": name, "value": round(added, 2), "unit": "cycles", "plain": round(plain, 2)}
