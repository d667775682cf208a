"""Where random programs keep what: the data area and the table of pointers in it."""

from hakone.isa.platform import CLINT, RAM_BASE

DATA_BASE = RAM_BASE + 0x8_0000
DATA_BYTES = 0x8000
SAVE = DATA_BASE  #: where the handler keeps four registers
POINTERS = DATA_BASE + 0x100  #: 16 words, see the slots
SCRATCH = DATA_BASE + 0x400  #: first byte that random accesses may touch
MTIME = CLINT.base + 0xBFF8
MTIMECMP = CLINT.base + 0x4000

SLOT_COLD = 10  #: written by each pair: a line that is not in the cache
SLOT_ONE = 11  #: holds 1
SLOT_DEVICE = 12  #: holds the address of ``mtime``; slots before ``SLOT_COLD`` point into the data area
