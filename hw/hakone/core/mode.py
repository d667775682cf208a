"""Execution modes: plain and encrypted, landing, back links and the stack pointers of both sides.

Clock domain ``sync``. Source: the project's reference of custom-0 (``docs/reference``). Which instruction is allowed
when, and which fetch crosses, is decided at decode (``read_stage``); registers are cleared by
``register_file.WrittenMask``.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..bus.open_checks import OpenCheck, is_open
from .stack_marks import StackMarks

LINKS = 8  #: back links of one context
DEFAULT_CALL_MASK = 1 << 1 | 0xFF << 10  #: ra and a0 to a7


class ModeState(data.Struct):
    """Execution mode of a context.

    ``landing``: encrypted mode was entered, its first instruction has not run yet. ``automatic``: the running code lies
    in an automatic region. ``called``: its last instruction was a call; the back link of that call stands ready as
    number ``links``, and counts if the next instruction is under another key or none. ``orphan``: the key was wiped
    under the running code.
    """

    encrypted: 1
    landing: 1
    automatic: 1
    called: 1
    orphan: 1
    key_slot: 4
    owner: 4
    links: 4  # back links in use, 0 to 8


class BackLink(data.Struct):
    """Where encrypted code continues after it was left, and under which key."""

    pc: 32
    automatic: 1
    key_slot: 4
    owner: 4


class ModeUnit(wiring.Component):
    """Mode of the running context, its back links, and the exchange of x2 at every switch.

    Commands come from the memory stage, at most one a cycle; ``state`` changes at its end:

    - ``enter`` (``cryptomode``) with ``target``: when it is the newest back link's address, the link is taken: key
      and owner are the link's. Else ``landing`` is set and they are zero until ``land``.
    - ``land``, with ``key_slot``, ``owner`` and ``automatic`` of the landing instruction.
    - ``exit`` (``retmode``); with ``push`` a back link to ``link_pc`` is stored (never when ``state.links`` is 8).
    - ``cross``: the instruction at ``target`` comes from plain memory, or with ``region`` from an automatic region
      under ``key_slot`` and ``owner``, which is not what runs. The side that runs is left (after a call with its back
      link; never when ``state.links`` is 8), and the other one entered: by the newest link when address, key and owner
      are its own, else with ``landing``.
    - ``completes``: an instruction completes. With ``call`` (automatic code only) it is a call that returns to
      ``link_pc``.
    - ``load``: the state becomes ``loaded`` (another context runs).

    ``kept`` is what must be stored of the state in a cycle with ``load``; ``past``: execution will go on behind the
    instruction in the memory stage. ``end_links``: every back link of the running context is dropped, because the code
    that it leads into may come back at another address (never with another command but ``completes``). ``erased``, in
    any cycle without a command: the key in ``erased_slot`` is wiped, and no stack word under it counts any more. (A key
    is wiped when the last region under it is released, so no link leads into one either.)

    In the cycle after a command with a change of sides ``read_stack`` asks for x2 of the running context; one
    cycle later its value comes back in ``stack_in``, and ``write_stack`` with ``stack_out`` gives the side entered
    its own (``stack_written``: it was ever stored; else it reads as zero). The pipeline is empty then, because each
    command also redirects. ``fresh``: the running context was never sealed before (with ``enter`` or ``cross``: its
    stack words count as zero).

    What it protects: neither side sees the other's stack pointer; links never leave the chip, and a link restores no
    other key than the one it was made under. It does not check addresses: the fetch rules do.
    Parameter ``switches``: see ``bus.open_checks``.
    """

    context: In(4)
    fresh: In(1)
    enter: In(1)
    target: In(32)
    land: In(1)
    region: In(1)
    automatic: In(1)
    key_slot: In(4)
    owner: In(4)
    exit: In(1)
    push: In(1)
    cross: In(1)
    completes: In(1)
    call: In(1)
    link_pc: In(32)
    load: In(1)
    loaded: In(ModeState)
    past: In(1)
    end_links: In(1)
    erased: In(1)
    erased_slot: In(4)
    state: Out(ModeState)
    kept: Out(ModeState)
    read_stack: Out(1)
    stack_in: In(32)
    write_stack: Out(1)
    stack_out: Out(32)
    stack_written: Out(1)

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        state = self.state
        m.submodules.marks = self._marks = StackMarks()
        link = self._links(m)
        enters, leaves, pushes, returns = Signal(), Signal(), Signal(), Signal()
        same_code = link.automatic & (link.key_slot == self.key_slot) & (link.owner == self.owner)
        m.d.comb += [
            enters.eq(self.enter | (self.cross & self.region)),
            leaves.eq(self.exit | (self.cross & state.encrypted)),
            pushes.eq((self.exit & self.push) | (self.cross & state.called)),
            returns.eq(
                (state.links != 0)
                & ((link.pc == self.target) | is_open(self._switches, OpenCheck.BACK_LINK))
                & (~self.cross | (same_code & ~state.called))
            ),
            self.kept.eq(state.as_value() & ~Mux(self.past, ModeState.const({"called": 1}).as_value(), 0)),
        ]
        with m.If(enters):
            m.d.sync += [
                state.encrypted.eq(1),
                state.landing.eq(~returns),
                state.automatic.eq(returns & link.automatic),
                state.key_slot.eq(Mux(returns, link.key_slot, 0)),
                state.owner.eq(Mux(returns, link.owner, 0)),
                state.links.eq(state.links + pushes - returns),
            ]
        with m.Elif(leaves):
            m.d.sync += [
                state.encrypted.eq(0),
                state.automatic.eq(0),
                state.key_slot.eq(0),
                state.owner.eq(0),
                state.links.eq(state.links + pushes),
            ]
        with m.If(self.land):
            m.d.sync += [
                state.landing.eq(0),
                state.automatic.eq(self.automatic),
                state.key_slot.eq(self.key_slot),
                state.owner.eq(self.owner),
            ]
        with m.If(self.completes):
            m.d.sync += state.called.eq(self.call)
        with m.If(enters | leaves):
            m.d.sync += state.orphan.eq(0)
        with m.Elif(self.erased & state.encrypted & ~state.landing & (self.erased_slot == state.key_slot)):
            m.d.sync += state.orphan.eq(1)
        with m.If(self.end_links):
            # The code that runs may be what was released: its key may go at any time, unseen if it does not run then.
            m.d.sync += [state.links.eq(0), state.orphan.eq(state.orphan | state.encrypted)]
        with m.If(self.load):
            m.d.sync += state.eq(self.loaded)
        self._stacks(m, enters, leaves, returns)
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
            write.en.eq((self.exit & self.push) | (self.call & (self.state.links != LINKS))),
            write.addr.eq(Cat(self.state.links[: len(newest)], self.context)),
            write.data.pc.eq(self.link_pc),
            write.data.automatic.eq(self.state.automatic),
            write.data.key_slot.eq(self.state.key_slot),
            write.data.owner.eq(self.state.owner),
        ]
        return read.data

    def _stacks(self, m, enters, leaves, returns):
        """Hidden words: row 0..255 for encrypted code by context and key slot, from 256 for plain code by context.

        Plain words are always stored before they are read (a context begins in plain mode). For the others the marks
        tell which were stored; a context's first entry clears its own.
        """
        state, marks = self.state, self._marks
        m.submodules.stacks = stacks = memory.Memory(shape=32, depth=512, init=[])
        read, write = stacks.read_port(), stacks.write_port()
        saves, loads = Signal(2), Signal(2)  # bit 0: one cycle after the command, bit 1: two
        left_plain, left_orphan, fresh = Signal(), Signal(), Signal()
        left_slot = Signal(4)
        # From code to code under the same key x2 simply stays.
        stays = leaves & (state.key_slot == self.key_slot)
        m.d.sync += [
            saves.eq(Cat(enters | leaves, saves[0])),
            loads.eq(Cat(self.land | (enters & returns & ~stays) | (leaves & ~enters), loads[0])),
            fresh.eq(enters & self.fresh),
        ]
        with m.If(enters | leaves):
            m.d.sync += [
                left_plain.eq(~state.encrypted),
                left_orphan.eq(state.orphan),
                left_slot.eq(state.key_slot),
            ]
        m.d.comb += [
            self.read_stack.eq(saves[0] | loads[0]),
            read.addr.eq(Mux(state.encrypted, Cat(state.key_slot, self.context), Cat(self.context, Const(16, 5)))),
            write.en.eq(saves[1]),
            write.addr.eq(Mux(left_plain, Cat(self.context, Const(16, 5)), Cat(left_slot, self.context))),
            write.data.eq(self.stack_in),
            self.write_stack.eq(loads[1]),
            self.stack_out.eq(Mux(self.stack_written, read.data, 0)),
            self.stack_written.eq(~state.encrypted | marks.stored),
            marks.context.eq(self.context),
            marks.slot.eq(Mux(saves[0], left_slot, state.key_slot)),
            marks.stores.eq(saves[0] & ~left_plain & ~left_orphan),
            marks.fresh.eq(fresh),
            marks.erased.eq(self.erased),
            marks.erased_slot.eq(self.erased_slot),
        ]
