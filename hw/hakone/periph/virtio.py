"""Empty virtio-mmio slots: a driver that looks finds no device. No state.

Registers: Virtual I/O Device (VIRTIO) Version 1.1, section 4.2.2; values as QEMU 7.2 ``-M virt`` shows, whose default
is the legacy layout, version 1 (``tests/vectors/qemu/virtio.txt``).
"""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ..bus.register_bus import RegisterBus
from ..isa.platform import VIRTIO

MAGIC = 0x74726976  #: "virt"
VERSION = 1
VENDOR = 0x554D4551
END = 0x200  #: first offset without registers
_WIDTH = (VIRTIO[0].bytes - 1).bit_length()


class EmptyVirtioSlots(wiring.Component):
    """Magic at 0x0, version at 0x4, device number 0 at 0x8, vendor at 0xC; everything else up to 0x200 reads 0.

    Writes are ignored; offsets from 0x200 on answer with an error. A narrower read gets the low part of the register,
    and zero when it does not begin at the register's first byte. Answers in the same cycle. One component serves all
    slots.

    Members: ``bus``.
    """

    bus: In(RegisterBus(_WIDTH))

    def elaborate(self, _platform) -> Module:
        """Constants."""
        m = Module()
        bus = self.bus
        m.d.comb += [bus.ready.eq(1), bus.error.eq(bus.addr >= END)]
        with m.If(bus.strobe[0]):
            with m.Switch(bus.addr[2:]):
                for offset, value in ((0x0, MAGIC), (0x4, VERSION), (0xC, VENDOR)):
                    with m.Case(offset >> 2):
                        m.d.comb += bus.rdata.eq(value)
        return m
