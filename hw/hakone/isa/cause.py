"""Trap causes: the standard exceptions and interrupts, Hakone's own causes and their sub-rules.

Sources: RISC-V Privileged Architecture (20240411), table "mcause values after trap"; causes 24 to 31 are
designated for custom use there.
"""

from amaranth.lib import enum


class Cause(enum.Enum, shape=5):
    """Exception codes (``mcause`` with bit 31 clear)."""

    FETCH_MISALIGNED = 0
    FETCH_FAULT = 1
    ILLEGAL = 2
    BREAKPOINT = 3
    LOAD_MISALIGNED = 4
    LOAD_FAULT = 5
    STORE_MISALIGNED = 6
    STORE_FAULT = 7
    ECALL_U = 8
    ECALL_RING2 = 9
    ECALL_RING1 = 10
    ECALL_M = 11
    SEGMENT = 24
    GATE = 25
    INTEGRITY = 26
    REGION = 27
    MODE = 28
    CONTEXT = 29
    GUARD = 30
    VIRTUAL = 31


class Interrupt(enum.Enum, shape=5):
    """Interrupt codes (``mcause`` with bit 31 set), and bit numbers in ``mip`` and ``mie``."""

    SOFTWARE = 3
    TIMER = 7
    EXTERNAL = 11


class Sub(enum.Enum, shape=8):
    """The rule that a custom cause came from, readable in ``hxsub``. Zero for a standard cause."""

    NONE = 0x00
    # Cause.REGION
    REGION_NO_ENTRY = 0x01  #: encrypted execution: a data access hit no entry
    REGION_PLAIN_ACCESS = 0x02  #: plain code touched a protected region that does not allow it
    REGION_RIGHT = 0x03  #: the entry lacks the right (read, write or execute)
    REGION_OWNER = 0x04  #: the region's owner id differs from that of the running code
    REGION_CODE_AS_DATA = 0x05  #: code under a key is not data to another key's code
    REGION_MOVED = 0x06  #: the physical place differs from the domain's latched base
    REGION_MISALIGNED_FETCH = 0x07  #: the halves of one instruction lie under different domains
    REGION_POISONED = 0x08  #: the domain met a failure when a line was written back
    REGION_DESCRIPTION = 0x09  #: setik: the description does not lie in protected memory
    REGION_BOUND = 0x0A  #: setik: this key and tag are in use at another physical place
    REGION_OPERAND = 0x0B  #: setik, clrk: the operand is misaligned or has reserved bits set
    # Cause.MODE
    MODE_FETCH_OUTSIDE = 0x10  #: explicit encrypted execution left its key's regions
    MODE_PLAIN_FETCH = 0x11  #: plain or automatic code ran into an explicit region
    MODE_NO_LANDING = 0x12  #: encrypted code was entered elsewhere than at cryptoland
    MODE_CONTEXT = 0x13  #: encrypted code entered in context 0, in a trap context or at level 3
    MODE_NOT_PLAIN = 0x14  #: cryptomode in encrypted mode
    MODE_NOT_ENCRYPTED = 0x15  #: retmode or setik in plain mode
    MODE_BACKLINK_OVERFLOW = 0x16  #: more than eight back links
    # Cause.CONTEXT
    CONTEXT_NUMBER = 0x20  #: no such context, or not this manager's
    CONTEXT_SEALED = 0x21  #: ctxput or ctxget on a sealed context
    CONTEXT_OPERAND = 0x22  #: reserved bits of the operand are not zero
    CONTEXT_TRAP_SEALED = 0x23  #: the trap context is sealed: the trap fails closed
    CONTEXT_EXISTS = 0x24  #: ctxnew: the context exists; clrk of a dead context: it lives
    CONTEXT_LEVEL = 0x25  #: ctxnew: the level asked for is not outside the manager's
    CONTEXT_ENTRIES = 0x26  #: ctxnew: regions of the number's earlier life were not released
    CONTEXT_GENERATION = 0x27  #: ctxnew: every generation was used
    # Cause.SEGMENT
    SEGMENT_ABSENT = 0x30  #: the segment is not present
    SEGMENT_RIGHT = 0x31  #: it lacks the right (read, write or execute)
    SEGMENT_LIMIT = 0x32  #: the access ends behind the segment's last byte
    SEGMENT_RING = 0x33  #: the ring may not use it
    SEGMENT_STRADDLE = 0x34  #: the access lies in two segments
    SEGMENT_OPERAND = 0x35  #: segput: reserved bits are not zero
