"""The doors between core, caches, protection and line cipher, each named once from the initiator's side.

All are in the one system clock domain. Addresses are bytes unless the name says ``line``: a line number is the
address without its low six bits.
"""

from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ..isa.cause import Cause, Sub
from ..isa.formats import Algorithm, RegionStatus

LINE_BITS = 26  #: bits of a line number in a 32-bit address space
BEATS_PER_LINE = 8  #: 64-bit beats of a 64-byte line
SLOT_BITS = 8  #: bits of a slot, which is one line's place in the data cache: its set, and its way above that


class ExecState(data.Struct):
    """Who is running. Changes only together with a redirect of the fetch unit.

    ``key_slot`` and ``owner`` name the key and the owner id of the encrypted code that runs; they are zero in
    plain mode. ``owner`` is a small number that stands for one 128-bit owner id. ``automatic``: the running code may
    leave its region without ``retmode``. ``handler``: the trap context, or level 3: no region is open to its plain
    code.
    """

    context: 4
    level: 2
    encrypted: 1
    automatic: 1
    handler: 1
    key_slot: 4
    owner: 4


class RegionMatch(data.Struct):
    """Answer of the attribute look-up for one address and context. All zero when nothing matched.

    ``segment_base``: bits 31..12 of the base that the address's segment must have (of a flat one, the segment's own
    number), so that the physical place is the one which the domain has latched. Not for windows.
    """

    hit: 1
    algorithm: Algorithm
    flags: 8  # isa.formats.RegionFlag
    domain: 4  # 0: plain memory (windows); else the domain
    key_slot: 4
    owner: 4
    segment_base: 20


class Fault(data.Struct):
    """A fault found by fetch or by the load/store unit: ``valid``, the cause, and the rule of a custom cause."""

    valid: 1
    cause: Cause
    sub: Sub


class LookupPort(wiring.Signature):
    """A side's copies of attribute ranges to the walker that fills them.

    ``bare``, combinational for ``context``: no entry belongs to it, so that every line of it is without a match.
    ``want`` with ``context`` and ``line`` asks for the range around a line, and is repeated until a copy holds it.
    ``done`` (one cycle) brings an answer to one of the requests so far: for ``owner`` (a context) the lines ``first``
    to ``last``, both included, all have ``match``. ``forget``: no copy is good after this cycle, nor is an answer
    that comes in it.
    """

    def __init__(self):
        super().__init__(
            {
                "context": Out(4),
                "line": Out(LINE_BITS),
                "want": Out(1),
                "bare": In(1),
                "done": In(1),
                "owner": In(4),
                "first": In(LINE_BITS),
                "last": In(LINE_BITS),
                "match": In(RegionMatch),
                "forget": In(1),
            }
        )


class FetchedInstruction(data.Struct):
    """One instruction at the end of the align stage.

    ``word`` is expanded to 32 bits (an illegal compressed form becomes 0, which is illegal); ``raw`` is what stood in
    memory (16 bits zero-extended when ``compressed``). With ``fault.valid`` the other fields but ``pc`` and
    ``fault_pc`` are meaningless; ``fault_pc`` is the address of the part that faulted. ``predicted_target`` is valid
    when ``predicted_taken``. ``domain``, ``key_slot`` and ``owner`` are those of the region it came from (0: plain
    memory); ``region``: it came from one, ``automatic``: from one with that flag.
    """

    pc: 32
    word: 32
    raw: 32
    compressed: 1
    predicted_taken: 1
    predicted_target: 32
    fault: Fault
    fault_pc: 32
    domain: 4
    key_slot: 4
    owner: 4
    region: 1
    automatic: 1


class BranchKind(enum.Enum, shape=2):
    """What the predictor must know of a taken transfer."""

    BRANCH = 0
    JUMP = 1
    CALL = 2
    RETURN = 3


class BranchUpdate(data.Struct):
    """A resolved transfer, sent by the core when it leaves the memory stage."""

    pc: 32
    compressed: 1
    kind: BranchKind
    taken: 1
    mispredicted: 1
    target: 32


class FetchPort(wiring.Signature):
    """Core to fetch unit.

    ``redirect``: in that cycle everything fetched so far is dropped, and fetching goes on at ``redirect_pc`` under
    the ``state`` that is valid from the following cycle on. ``flush_start`` (one cycle) begins the invalidation of
    the instruction cache; ``flush_busy`` is high from the next cycle until it is done, and the core redirects
    afterwards. ``clear_predictor`` (one cycle) forgets all predictions. ``instruction`` is a stream; its payload is
    combinational out of the align stage. ``update`` is valid for one cycle with ``update_valid``.
    """

    def __init__(self):
        super().__init__(
            {
                "redirect": Out(1),
                "redirect_pc": Out(32),
                "state": Out(ExecState),
                "flush_start": Out(1),
                "flush_busy": In(1),
                "clear_predictor": Out(1),
                "update_valid": Out(1),
                "update": Out(BranchUpdate),
                "instruction": In(stream.Signature(FetchedInstruction)),
            }
        )


class MemoryOp(enum.Enum, shape=4):
    """What the load/store unit is asked to do."""

    LOAD = 0
    STORE = 1
    LOAD_RESERVED = 2
    STORE_CONDITIONAL = 3
    AMO_SWAP = 4
    AMO_ADD = 5
    AMO_XOR = 6
    AMO_AND = 7
    AMO_OR = 8
    AMO_MIN = 9
    AMO_MAX = 10
    AMO_MINU = 11
    AMO_MAXU = 12
    PROBE = 13  # no access: only the segment's check and translation


class MemoryRequest(data.Struct):
    """A load, store or atomic as it leaves the execute stage. ``size_log2``: 0 byte, 1 half, 2 word."""

    op: MemoryOp
    addr: 32
    size_log2: 2
    unsigned: 1
    wdata: 32


class LoadStorePort(wiring.Signature):
    """Core to load/store unit, which owns the memory stage of memory instructions.

    ``issue`` with ``request``: in that cycle the instruction moves from execute to memory (the unit reads its RAMs at
    the end of the cycle). ``issue`` may only be high while ``busy`` is low. From the next cycle ``busy`` is high as
    long as the operation has not finished; in the first cycle with ``busy`` low, ``rdata`` (load value, SC status,
    old value of an AMO) and ``fault`` are valid, and stay so for that cycle only; ``fault.valid`` is never high while
    ``busy`` is. A hit is not busy at all. A faulted operation has changed nothing. ``occupied`` tells early in the
    cycle that the unit is busy with something else than judging an operation in its first cycle; it implies ``busy``,
    and without an operation in flight it is the same. ``fault_addr`` is the address of the part that faulted;
    ``protected`` (the address hit a region with a cipher) and ``physical`` (where it lies) are valid with ``rdata``.
    ``state`` is constant while
    an operation is in flight. ``end_reservation`` (one cycle) ends a reservation. ``clean_start`` (one cycle) begins
    to write back every dirty line; ``clean_busy`` is high from the next cycle until done or until ``clean_abort``
    stops it at a line boundary.
    """

    def __init__(self):
        super().__init__(
            {
                "issue": Out(1),
                "request": Out(MemoryRequest),
                "state": Out(ExecState),
                "end_reservation": Out(1),
                "clean_start": Out(1),
                "clean_abort": Out(1),
                "clean_busy": In(1),
                "busy": In(1),
                "occupied": In(1),
                "rdata": In(32),
                "fault": In(Fault),
                "fault_addr": In(32),
                "protected": In(1),
                "physical": In(32),
            }
        )


class RegionCommand(enum.Enum, shape=2):
    """What the region unit is asked to do."""

    INSTALL = 0  #: ``setik``
    RELEASE = 1  #: ``clrk`` of an own region
    RELEASE_CONTEXT = 2  #: ``clrk`` of all regions of a dead context


class RegionPort(wiring.Signature):
    """Core to region unit, which executes ``setik`` and ``clrk``.

    ``start`` (one cycle) with ``command``, ``operand`` (the address; for ``RELEASE_CONTEXT`` the context in its low
    four bits) and ``state`` (constant until the end). ``busy`` is high from the next cycle until it ends; in the first
    cycle with ``busy`` low, ``status``, ``fault``, ``aborted`` and ``code`` (a region with the right to execute was
    released) are valid, and stay so until the next start. ``abort`` is a level: an interrupt waits, stop where it can
    be begun again; an aborted command has installed nothing, and may have cleaned lines. ``quota``: how many entries
    ``state.context`` may install itself; the region unit counts them. ``segments``: segments are on. ``entries`` has a
    bit for each context that any entry belongs to.

    Loads: ``load`` with ``addr`` is held until ``load_done``. It is an aligned word load by ``state``, or with
    ``probe`` no access but the check and the translation of ``addr``. With ``load_done``: ``data``, ``fault`` in
    ``load_fault``, ``protected`` (it hit a region with a cipher), and ``physical``, the translated address.
    """

    def __init__(self):
        super().__init__(
            {
                "start": Out(1),
                "command": Out(RegionCommand),
                "operand": Out(32),
                "state": Out(ExecState),
                "segments": Out(1),
                "abort": Out(1),
                "quota": Out(5),
                "busy": In(1),
                "status": In(RegionStatus),
                "fault": In(Fault),
                "aborted": In(1),
                "code": In(1),
                "entries": In(16),
                "load": In(1),
                "probe": In(1),
                "addr": In(32),
                "load_done": Out(1),
                "data": Out(32),
                "load_fault": Out(Fault),
                "protected": Out(1),
                "physical": Out(32),
            }
        )


class DomainCleanPort(wiring.Signature):
    """Region unit to data side: take every line of one domain out of the data cache.

    ``start`` (one cycle) with ``domain`` (not 0; held until the end). ``busy`` is high from the next cycle until every
    line of the domain is invalid and memory has acknowledged those that were dirty, or until ``abort`` (a level) has
    stopped it at a line boundary; then it may be started again, and finds less to do.
    """

    def __init__(self):
        super().__init__({"start": Out(1), "domain": Out(4), "abort": Out(1), "busy": In(1)})


class SegmentPort(wiring.Signature):
    """Core to segment registers.

    ``enabled``: segments translate and check; else every segment is flat. ``write`` (one cycle) with ``context``,
    ``segment``, ``word`` and ``data`` is a ``segput`` whose operands were found right; ``clear`` (one cycle) with
    ``context``: none of its segments is present from then on. Both act before the next instruction is fetched, because
    the core redirects behind them.
    """

    def __init__(self):
        super().__init__(
            {
                "enabled": Out(1),
                "write": Out(1),
                "clear": Out(1),
                "context": Out(4),
                "segment": Out(4),
                "word": Out(1),
                "data": Out(32),
            }
        )


class LineRead(data.Struct):
    """A request to read a whole line under a domain. ``keep``: it goes to ``slot`` and may be written from there."""

    line: LINE_BITS
    domain: 4
    keep: 1
    slot: SLOT_BITS


class LineWrite(data.Struct):
    """A request to write a whole line under a domain; ``place`` is that of its ``LineAnnounce``."""

    line: LINE_BITS
    domain: 4
    place: 1


class LineAnnounce(data.Struct):
    """The line in ``slot`` will be written, under the name ``place``."""

    slot: SLOT_BITS
    place: 1


class LineBeat(data.Struct):
    """64 bits of a line; beats come in address order, ``last`` with the eighth. ``error``: the line is not usable."""

    data: 64
    last: 1
    error: 1


class LinePort(wiring.Signature):
    """Miss unit to line cipher: whole lines in plaintext, each with its domain.

    ``read``: a stream of requests, answered in order by eight ``beat`` (valid only, no back-pressure). ``write``: a
    stream of requests, each followed by eight ``wdata`` words in address order. ``write_done`` is high for one cycle
    when the memory has acknowledged a line, with ``write_error``. A read may overtake an earlier write; the initiator
    orders equal lines itself.

    A line of a protected domain is written only out of a slot into which it was read under the same domain, as that is
    installed now, with ``keep`` and to its last beat without an error, after the last reset. ``announce`` (one cycle
    with ``announce_valid``) tells that it will be: not later than its write is requested or, if the slot is to be
    filled anew, than the cycle after that read was taken. From then on the slot is free. A place is free when its
    line's ``write_done`` has come. Announcements are at least three cycles apart. A cleaned line stays in its slot and
    may be announced again.
    """

    def __init__(self):
        super().__init__(
            {
                "read": Out(stream.Signature(LineRead)),
                "beat_valid": In(1),
                "beat": In(LineBeat),
                "announce_valid": Out(1),
                "announce": Out(LineAnnounce),
                "write": Out(stream.Signature(LineWrite)),
                "wdata": Out(stream.Signature(64)),
                "write_done": In(1),
                "write_error": In(1),
            }
        )


class InstructionMissPort(wiring.Signature):
    """Instruction cache to miss unit.

    ``valid`` is held with ``line`` and ``domain`` until the beat with ``last``; ``rom`` tells that the line lies in
    the mask ROM. Beats as in ``LinePort``.
    """

    def __init__(self):
        super().__init__(
            {
                "valid": Out(1),
                "line": Out(LINE_BITS),
                "domain": Out(4),
                "rom": Out(1),
                "beat_valid": In(1),
                "beat": In(LineBeat),
            }
        )


class DomainRow(data.Struct):
    """One row of the domain table. Row 0 is plain memory. ``base_line``: first physical line of the region."""

    valid: 1
    algorithm: Algorithm
    key_slot: 4
    tag: 32
    base_line: LINE_BITS


class DomainPort(wiring.Signature):
    """Combinational read of the domain table: ``domain`` out, ``row`` in the same cycle."""

    def __init__(self):
        super().__init__({"domain": Out(4), "row": In(DomainRow)})


class PoisonPort(wiring.Signature):
    """Miss unit to domain table: a line of ``domain`` was lost on its way to memory (``valid`` for one cycle)."""

    def __init__(self):
        super().__init__({"valid": Out(1), "domain": Out(4)})
