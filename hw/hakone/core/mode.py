"""Execution modes: plain and encrypted, landing, back links and the stack pointers of both sides.

Clock domain ``sync``. Source: the project's reference of custom-0 (``docs/reference``). Which instruction is allowed
when is decided at decode (``read_stage``); registers are cleared by ``register_file.WrittenMask``.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

LINKS = 8  #: back links of one context
DEFAULT_CALL_MASK = 1 << 1 | 0xFF << 10  #: ra and a0 to a7


class ModeState(data.Struct):
    """Execution mode of a context. ``landing``: encrypted mode was entered, its first instruction has not run yet."""

    encrypted: 1
    landing: 1
    key_slot: 4
    owner: 4
    links: 4  # back links in use, 0 to 8


class BackLink(data.Struct):
    """Where encrypted code continues after ``retmode``, and under which key."""

    pc: 32
    key_slot: 4
    owner: 4


class ModeUnit(wiring.Component):
    """Mode of the running context, its back links, and the exchange of x2 at every switch.

    Commands come from the memory stage, at most one a cycle; ``state`` changes at its end:

    - ``enter`` (``cryptomode``) with ``target``: when it is the newest back link's address, the link is taken: key
      and owner are the link's. Else ``landing`` is set and they are zero until ``land``.
    - ``land``, with ``key_slot`` and ``owner`` of the landing instruction.
    - ``exit`` (``retmode``); with ``push`` a back link to ``link_pc`` is stored (never when ``state.links`` is 8).
    - ``load``: the state becomes ``loaded`` (another context runs).

    In the cycle after a command with a change of sides ``read_stack`` asks for x2 of the running context; one
    cycle later its value comes back in ``stack_in``, and ``write_stack`` with ``stack_out`` gives the side entered
    its own (``stack_written``: it was ever stored; else it reads as zero). The pipeline is empty then, because each
    command also redirects. ``fresh``: the running context was never sealed before (with ``enter``: its stack words
    count as zero).

    What it protects: neither side sees the other's stack pointer; links never leave the chip. It does not check
    addresses: the fetch rules do.
    """

    context: In(4)
    fresh: In(1)
    enter: In(1)
    target: In(32)
    land: In(1)
    key_slot: In(4)
    owner: In(4)
    exit: In(1)
    push: In(1)
    link_pc: In(32)
    load: In(1)
    loaded: In(ModeState)
    state: Out(ModeState)
    read_stack: Out(1)
    stack_in: In(32)
    write_stack: Out(1)
    stack_out: Out(32)
    stack_written: Out(1)

    def elaborate(self, platform):
        m = Module()
        state = self.state
        link = self._links(m)
        returns = Signal()
        m.d.comb += returns.eq((state.links != 0) & (link.pc == self.target))
        with m.If(self.enter):
            m.d.sync += [
                state.encrypted.eq(1),
                state.landing.eq(~returns),
                state.key_slot.eq(Mux(returns, link.key_slot, 0)),
                state.owner.eq(Mux(returns, link.owner, 0)),
                state.links.eq(state.links - returns),
            ]
        with m.If(self.land):
            m.d.sync += [state.landing.eq(0), state.key_slot.eq(self.key_slot), state.owner.eq(self.owner)]
        with m.If(self.exit):
            m.d.sync += [
                state.encrypted.eq(0),
                state.key_slot.eq(0),
                state.owner.eq(0),
                state.links.eq(state.links + self.push),
            ]
        with m.If(self.load):
            m.d.sync += state.eq(self.loaded)
        self._stacks(m, returns)
        return m

    def _links(self, m):
        """The newest link. It is read anew every cycle: after a change it is right two cycles later, before anyone
        can ask.
        """
        m.submodules.links = links = memory.Memory(shape=BackLink, depth=16 * LINKS, init=[])
        read, write = links.read_port(), links.write_port()
        newest = Signal(range(LINKS))
        m.d.comb += [
            newest.eq(self.state.links - 1),
            read.addr.eq(Cat(newest, self.context)),
            write.en.eq(self.exit & self.push),
            write.addr.eq(Cat(self.state.links[:3], self.context)),
            write.data.pc.eq(self.link_pc),
            write.data.key_slot.eq(self.state.key_slot),
            write.data.owner.eq(self.state.owner),
        ]
        return read.data

    def _stacks(self, m, returns):
        """Hidden words: row 0..255 for encrypted code by context and key slot, from 256 for plain code by context.

        Plain words are always stored before they are read (``enter`` comes before ``exit``). For the others, 16 bits a
        context tell which were stored; its first ``enter`` clears them.
        """
        m.submodules.stacks = stacks = memory.Memory(shape=32, depth=512, init=[])
        read, write = stacks.read_port(), stacks.write_port()
        m.submodules.stored = stored = memory.Memory(shape=16, depth=16, init=[])
        stored_read, stored_write = stored.read_port(domain="comb"), stored.write_port()
        saves, loads = Signal(2), Signal(2)  # bit 0: one cycle after the command, bit 1: two
        left_plain, left_slot, clear = Signal(), Signal(4), Signal()
        m.d.sync += [
            saves.eq(Cat(self.enter | self.exit, saves[0])),
            loads.eq(Cat((self.enter & returns) | self.land | self.exit, loads[0])),
            clear.eq(self.enter & self.fresh),
        ]
        with m.If(self.enter | self.exit):
            m.d.sync += [left_plain.eq(self.enter), left_slot.eq(self.state.key_slot)]
        encrypted, slot = self.state.encrypted, self.state.key_slot
        m.d.comb += [
            self.read_stack.eq(saves[0] | loads[0]),
            read.addr.eq(Mux(encrypted, Cat(slot, self.context), Cat(self.context, Const(16, 5)))),
            write.en.eq(saves[1]),
            write.addr.eq(Mux(left_plain, Cat(self.context, Const(16, 5)), Cat(left_slot, self.context))),
            write.data.eq(self.stack_in),
            self.write_stack.eq(loads[1]),
            self.stack_out.eq(Mux(self.stack_written, read.data, 0)),
            self.stack_written.eq(~encrypted | stored_read.data.bit_select(slot, 1)),
            stored_read.addr.eq(self.context),
            stored_write.addr.eq(self.context),
            stored_write.en.eq(clear | (saves[1] & ~left_plain)),
            stored_write.data.eq(Mux(clear, 0, stored_read.data | (Const(1, 16) << left_slot)[:16])),
        ]
