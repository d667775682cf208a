"""The line engine with its key store as one fast model, and the files that drive it (``cpp/xts_bench.cpp``)."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hakone.crypto.boot_loader import KeyWord
from hakone.crypto.key_store import KeyStore
from hakone.isa.formats import Algorithm
from hakone.memory.xts import XtsLine
from hakone.memory.xts_port import XtsPrepare, XtsRecall, XtsStart
from hakone_sim import unit_model

CPP = Path(__file__).resolve().parent / "cpp" / "xts_bench.cpp"
LINE_BYTES = 64
_OUTCOME = np.dtype(
    [("result", "u1", LINE_BYTES), ("prepared", "<u4"), ("started", "<u4"), ("in", "<u4", 8), ("out", "<u4", 8)]
)
#: Payloads that are structures: the fields lead out one by one, for the sake of the C++ side.
_STRUCTURES = {"prepare": XtsPrepare, "start": XtsStart, "install": KeyWord, "recall": XtsRecall}


class XtsBench(wiring.Component):
    """Line engine and key store, connected; the streams of both lead out, field by field."""

    def __init__(self):
        ports = {"busy": Out(1), "valid": Out(16), "data_payload": In(64), "result_payload": Out(64)}
        ports |= {"erase_payload": In(4), "result_valid": Out(1), "result_ready": In(1)}
        for name in (*_STRUCTURES, "data", "erase"):
            ports |= {f"{name}_valid": In(1), f"{name}_ready": Out(1)}
        del ports["recall_ready"]
        for name, structure in _STRUCTURES.items():
            ports |= {f"{name}_{field}": In(f.shape) for field, f in structure.as_shape()}
        super().__init__(ports)

    def elaborate(self, _platform) -> Module:
        """Wires only."""
        m = Module()
        m.submodules.store = store = KeyStore()
        m.submodules.engine = engine = XtsLine()
        for lane, keys in zip(engine.data_keys, store.data_keys, strict=True):
            wiring.connect(m, lane, keys)
        wiring.connect(m, engine.tweak_keys, store.tweak_keys)
        streams = {"prepare": engine.prepare, "start": engine.start, "data": engine.data}
        streams |= {"install": store.install, "erase": store.erase}
        for name, port in streams.items():
            m.d.comb += [port.valid.eq(getattr(self, f"{name}_valid")), getattr(self, f"{name}_ready").eq(port.ready)]
            if name in _STRUCTURES:
                for field, _ in _STRUCTURES[name].as_shape():
                    m.d.comb += port.payload[field].eq(getattr(self, f"{name}_{field}"))
            else:
                m.d.comb += port.payload.eq(getattr(self, f"{name}_payload"))
        m.d.comb += [
            engine.recall_valid.eq(self.recall_valid),
            *(engine.recall[field].eq(getattr(self, f"recall_{field}")) for field, _ in XtsRecall.as_shape()),
            self.result_valid.eq(engine.result.valid),
            self.result_payload.eq(engine.result.payload),
            engine.result.ready.eq(self.result_ready),
            self.busy.eq(store.busy),
            self.valid.eq(store.valid),
        ]
        return m


@dataclass(frozen=True)
class Key:
    """A key for a slot: data key, then tweak key."""

    slot: int
    key: bytes

    @property
    def algorithm(self) -> Algorithm:
        """By the size of the key."""
        return Algorithm.AES128_XTS if len(self.key) == 32 else Algorithm.AES256_XTS

    def pack(self) -> bytes:
        """Its record in the case file."""
        head = bytes([1, self.algorithm.value, self.slot, 0, len(self.key) // 4])
        return (head.ljust(32, b"\0") + self.key).ljust(128, b"\0")


@dataclass(frozen=True)
class Line:
    """A line under the key of ``key``; ``data`` is 64 bytes."""

    key: Key
    encrypt: bool
    tweak: bytes
    data: bytes

    def pack(self) -> bytes:
        """Its record in the case file."""
        head = bytes([0, self.key.algorithm.value, self.key.slot, self.encrypt])
        return (head.ljust(16, b"\0") + self.tweak + self.data).ljust(128, b"\0")


@dataclass(frozen=True)
class Pauses:
    """How often, of 256 cycles, the driver of a stream pauses."""

    prepare: int = 0
    start: int = 0
    data: int = 0
    result: int = 0


def model() -> Path:
    """The executable, built when something it depends on has changed."""
    text = unit_model.generate("xts_bench", XtsBench, Path(__file__))
    return unit_model.build(text, "xts_bench", CPP)


def run(folder: Path, records: list[Key | Line], pauses: Pauses = Pauses(), seed: int = 1) -> np.ndarray:
    """What came out for each ``Line`` of ``records``, in order, and in which cycles. ``folder`` takes the files."""
    cases, results = folder / "cases.bin", folder / "results.bin"
    cases.write_bytes(b"".join(r.pack() for r in records))
    numbers = [pauses.prepare, pauses.start, pauses.data, pauses.result]
    done = subprocess.run([model(), cases, results, str(seed), *map(str, numbers)], capture_output=True, text=True)
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr}"
    return np.fromfile(results, dtype=_OUTCOME)
