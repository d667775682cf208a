"""The core driven through sequences of the model of contexts: instructions are handed out as ``context_items`` orders
them, wherever the core fetches, and every record is compared with what the model foresaw.
"""

from context_items import BOOT_CONTEXTS, Item, Script
from core_bench import _FETCHED, Machine, RegionScript, fields

from hakone.bus.core_ports import Fault
from hakone.isa.cause import Cause, Sub

POISON = 0x5550_0913 | 10 << 7  #: addi a0, x0, 0x555: must never be executed


class MismatchError(AssertionError):
    """The core did something else than the model."""


class Sequence(Machine):
    """A run of the core that is fed with ``items``. Raises ``MismatchError`` at the first difference."""

    def __init__(self, items: list[Item], rng, **options):
        self._pc = None
        super().__init__({}, rng, boot_contexts=BOOT_CONTEXTS, region=RegionScript(slow=2, code=1), **options)
        self._items, self._next = items, 0
        self._fed: list[Item] = []  # handed out, not done yet
        self._barrier: Item | None = None
        self._ready_at = 0
        self._seen = 0
        self._wiping: list[int] = []
        self._moved = False
        self.inputs = Sequence._look

    @property
    def fetch_pc(self):
        """Where the next instruction is fetched. The bench writes it at a redirect."""
        return self._pc

    @fetch_pc.setter
    def fetch_pc(self, pc):
        self._pc, self._moved = pc, True
        item = getattr(self, "_barrier", None)
        if item and item.crosses:
            self._done(item)

    async def drive(self, ctx, dut, cycles):
        """As ``Machine.drive``; keeps the core at hand for its rarer inputs."""
        self._dut = dut
        await super().drive(ctx, dut, cycles)

    def _drive_memory(self, ctx, memory):
        ctx.set(self._dut.key_erased, bool(self._wiping))
        if self._wiping:
            ctx.set(self._dut.key_erased_slot, self._wiping.pop())
        return super()._drive_memory(ctx, memory)

    # -- what is handed out --------------------------------------------------------------------------------------

    def _fetch(self, state):
        if self._barrier:
            if self._barrier.goes and not self._moved:  # the wrong path
                self._give(POISON, state)
            return
        if self._next == len(self._items):
            return
        item = self._items[self._next]
        alone = item.regions is not None or item.interrupt
        if alone and self._fed:
            return
        if item.regions is not None and self.regions is not item.regions:
            self.regions, self.entries, self._wiping = item.regions, item.entries, list(item.wiped)
            self._ready_at = self.cycle + 3
        if item.interrupt and not self.lines["timer"]:
            self.lines["timer"], self._ready_at = 1, self.cycle + 5
        if self.cycle < self._ready_at or self._wiping:
            return
        if self._pc != item.at:
            raise MismatchError(f"{item.move}: fetches {self._pc:#x}, not {item.at:#x}")
        self._next += 1
        self._fed.append(item)
        self._moved = False
        if item.drains:
            self._barrier = item
        self._give(item.word, state)

    def _give(self, word, state):
        """An instruction as the fetch unit gives it: with its region, or with the fault of the mode."""
        pc, region = self._pc, self._region(self._pc)
        values = {"pc": pc, "word": word, "raw": word}
        sub = None
        if state["encrypted"] and not region and not state["automatic"]:
            sub = Sub.MODE_FETCH_OUTSIDE
        elif region and not region.automatic and (state["automatic"] or not state["encrypted"]):
            sub = Sub.MODE_PLAIN_FETCH
        if sub:
            layout = fields(Fault)
            bits = 1 | Cause.MODE.value << layout["cause"][0] | sub.value << layout["sub"][0]
            values |= {"fault": bits, "fault_pc": pc, "word": self.rng.getrandbits(32)}
        elif region:
            values |= {"key_slot": region.key_slot, "owner": region.owner, "domain": region.key_slot + 1, "region": 1}
            values |= {"automatic": region.automatic}
        self.queue.append((self.cycle, sum(int(v) << _FETCHED[name][0] for name, v in values.items())))
        self._pc += 4

    # -- what is seen --------------------------------------------------------------------------------------------

    def _done(self, item):
        self._fed.remove(item)
        if item is self._barrier:
            self._barrier = None

    def _look(self):
        """Compare the records of the last cycle."""
        for record in self.records[self._seen :]:
            self._seen += 1
            if not self._fed:
                raise MismatchError(f"executed behind the end: {record}")
            item = self._fed[0]
            self._compare(item, record)
            if item.interrupt:
                self.lines["timer"] = 0
            self._done(item)
        if self._next == len(self._items) and not self._fed:
            self.finished = True

    @staticmethod
    def _compare(item, record):
        seen = {"pc": record["pc"], "who": (record["context"], record["level"], record["encrypted"])}
        expected = {"pc": item.at, "who": item.who}
        seen["trap"] = record["cause"] if record["trap"] else None
        expected["trap"] = item.trap
        if item.trap is not None:
            seen.pop("pc")  # what is saved, seen when the context is resumed
            expected.pop("pc")
        if item.value is not None:
            seen["value"], expected["value"] = record["value"] if record["rd_write"] else None, item.value
        if item.tval is not None:
            seen["tval"], expected["tval"] = record["tval"], item.tval
        if seen != expected:
            raise MismatchError(f"{item.move}: {item.word:#010x} at {item.at:#x}: {seen}, not {expected}")


def run_sequence(start, moves, rng, *, without=(), salt=0, thorough=False, whole=False, **options) -> Sequence:
    """Drive the core from reset through ``moves``, as far as they are possible; with ``whole`` all must be. The other
    options are explained by ``Script``."""
    script = Script(start, frozenset(without), salt, thorough)
    for move in moves:
        if not script.add(move):
            assert not whole, f"{move} is not possible"
            break
    machine = Sequence(script.items, rng, **options)
    try:
        return machine.run(cycles=400 + 40 * len(script.items))
    except AssertionError as error:
        told = ", ".join(map(str, moves))
        raise MismatchError(f"{'automatic' if start.automatic else 'explicit'}: {told}\n{error}") from error
