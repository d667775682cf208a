"""Switches that take one protection away, for control runs in simulation.

An attack that fails proves something only if it succeeds where the one protection that it meets is gone. Systems with
``probe`` have an input ``open_checks`` with a bit for each ``OpenCheck``; others have none, and no such logic.
"""

from amaranth import Const, Value
from amaranth.lib import enum


class OpenCheck(enum.IntEnum, shape=5):
    """Bit numbers; what is gone while the bit is set."""

    CONTEXT_TAG = 0  #: an attribute entry works whichever context runs
    DOMAIN_TAG = 1  #: a line in the data cache answers under any domain
    REGION_OWNER = 2  #: a region is open to code of every owner id
    PLAIN_ACCESS = 3  #: plain code reads and writes every region of its context
    HANDLER = 4  #: the trap context's plain code, too, may use regions with plain access
    MOVED = 5  #: a region may be reached through a segment that leads elsewhere
    LANDING = 6  #: encrypted code may be entered anywhere
    BACK_LINK = 7  #: any address will do for the return to a back link
    SEALED = 8  #: ctxget and ctxput reach sealed contexts
    SETIK_MODE = 9  #: setik may be executed in plain mode
    SETIK_SOURCE = 10  #: setik reads its description from plain memory, too
    QUOTA = 11  #: a context installs as many entries as there are
    OVERLAP = 12  #: regions of one context may overlap
    ALIGNMENT = 13  #: a region need not consist of whole lines
    BOUND = 14  #: a key and tag may be bound at two places
    ENTRIES = 15  #: ctxnew gives a number away whose entries are still there
    RELEASE_CLEAN = 16  #: clrk leaves the region's lines in the caches
    KEY_WIPE = 17  #: clrk leaves the key in its slot
    SEGMENT_STALE = 18  #: segput leaves copies of the old segment in use
    SEGMENT_LIMIT = 19  #: the limit of a segment is not looked at
    FETCH = 20  #: encrypted mode fetches from anywhere
    RELEASE_OWNER = 21  #: whatever code runs in a context may release the regions and windows of another owner
    WINDOW_OWNER = 22  #: a window is used by whatever code runs in its context
    LOOKUP_STALE = 23  #: setik and clrk leave copies of the old attribute ranges in use


OPEN_BITS = max(OpenCheck) + 1


def is_open(switches: Value | None, check: OpenCheck) -> Value:
    """One bit: ``check`` is switched off; a constant zero where there are no switches."""
    return Const(0, 1) if switches is None else switches[int(check)]
