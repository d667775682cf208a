"""Register banks: 16 contexts of 32 words in block RAM, and the masks that tell which words were written.

Clock domain ``sync``. Word 0 of a bank holds the context's program counter, never x0. Source: the project's context
model (``docs/reference``); a block RAM cannot be cleared, hence the masks.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

CONTEXTS = 16
CONTEXT_BITS = 4
REGISTERS = 32
STACK_POINTER = 2


class RegisterFile(wiring.Component):
    """Two read ports and one write port over 512 words.

    Addresses are ``register | context << 5``. Data of a read is there in the cycle after ``read_enable``, and stays
    until the next enabled read. A read at the same edge as a write of the same word gives the old word: the pipeline
    bypasses it. Clears nothing: ``WrittenMask`` decides what may be seen.
    """

    read_enable: In(1)
    read1_address: In(9)
    read2_address: In(9)
    read1_data: Out(32)
    read2_data: Out(32)
    write_enable: In(1)
    write_address: In(9)
    write_data: In(32)

    def elaborate(self, platform):
        m = Module()
        m.submodules.banks = banks = memory.Memory(shape=32, depth=CONTEXTS * REGISTERS, init=[])
        for address, out in ((self.read1_address, self.read1_data), (self.read2_address, self.read2_data)):
            port = banks.read_port()
            m.d.comb += [port.en.eq(self.read_enable), port.addr.eq(address), out.eq(port.data)]
        write = banks.write_port()
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
        ]
        return m


class WrittenMask(wiring.Component):
    """Which registers of the current context were written in its life; the others read zero.

    The current context's 32 bits are flip-flops; those of the others lie in a 16-row RAM whose rows count only
    once they were stored (``row_valid``), so after reset every register of every context reads zero without any
    clearing loop.

    - ``mask``: bit n for register n of the current context (bit 0 is always 0: x0 reads zero).
    - ``set_valid``, ``set_register``: a write to the current context.
    - ``put_valid``, ``put_context``, ``put_register``: a write to another context (never with ``swap``).
    - ``get_context``, ``get_register``: ``get_written``, in the same cycle, tells whether a register of another context
      was written (meaningless in a cycle with ``swap`` or ``put_valid``).
    - ``forget``, ``forget_context``: every register of another context becomes unwritten (never with the two above).
    - ``keep_valid``, ``keep``: registers outside ``keep`` become unwritten, a register set in the same cycle too.
    - ``stack_valid``, ``stack_written``: the state of x2 becomes ``stack_written``.
    - ``swap`` (one cycle): stores the mask for ``swap_from`` and loads that of ``swap_to``. Nothing else in that cycle.

    What it protects: values of an earlier life, or registers left by encrypted code, are never read. The old bits stay
    in the RAM array until they are overwritten; it has no other reader.
    """

    mask: Out(32)
    set_valid: In(1)
    set_register: In(5)
    put_valid: In(1)
    put_context: In(CONTEXT_BITS)
    put_register: In(5)
    get_context: In(CONTEXT_BITS)
    get_register: In(5)
    get_written: Out(1)
    forget: In(1)
    forget_context: In(CONTEXT_BITS)
    keep_valid: In(1)
    keep: In(32)
    stack_valid: In(1)
    stack_written: In(1)
    swap: In(1)
    swap_from: In(CONTEXT_BITS)
    swap_to: In(CONTEXT_BITS)

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows = rows = memory.Memory(shape=32, depth=CONTEXTS, init=[])
        read, write = rows.read_port(domain="comb"), rows.write_port()
        row_valid = Signal(CONTEXTS)
        row = Signal(32)
        m.d.comb += [
            read.addr.eq(Mux(self.swap, self.swap_to, Mux(self.put_valid, self.put_context, self.get_context))),
            self.get_written.eq(row.bit_select(self.get_register, 1)),
            row.eq(Mux(row_valid.bit_select(read.addr, 1), read.data, 0)),
            write.en.eq(self.swap | self.put_valid),
            write.addr.eq(Mux(self.swap, self.swap_from, self.put_context)),
            write.data.eq(Mux(self.swap, self.mask, row | _one_hot(self.put_register))),
        ]
        with m.If(write.en):
            m.d.sync += row_valid.bit_select(write.addr, 1).eq(1)
        with m.If(self.forget):
            m.d.sync += row_valid.bit_select(self.forget_context, 1).eq(0)

        following = Signal(32)
        m.d.comb += following.eq(self.mask | Mux(self.set_valid, _one_hot(self.set_register), 0))
        with m.If(self.swap):
            m.d.sync += self.mask.eq(row)
        with m.Elif(self.keep_valid):
            m.d.sync += self.mask.eq(following & self.keep)
        with m.Else():
            m.d.sync += self.mask.eq(following)
        with m.If(self.stack_valid):
            m.d.sync += self.mask[STACK_POINTER].eq(self.stack_written)
        return m


def _one_hot(register):
    """Bit ``register`` of 32, but none for register 0: that word is the program counter, x0 itself reads zero."""
    table = Array([Const(0, 32)] + [Const(1 << n, 32) for n in range(1, REGISTERS)])
    return Cat(table[register])
