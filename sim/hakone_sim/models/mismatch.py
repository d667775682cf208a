"""The error that a reference raises, and the text that explains it: what differs, where, and what led there."""

from .disassemble import disassemble


class MismatchError(Exception):
    """The first difference between trace and reference, as text that a person can act on."""


def explain(
    what: str, expected: str, got: str, number: int, history: list[tuple[int, int]], at: tuple[int, int], repeat: str
) -> str:
    """The report of a difference.

    ``number`` counts instructions and traps from the start; ``history`` are (pc, raw) before it, of which 20 are
    shown; ``at`` is (pc, raw) of the instruction itself; ``repeat`` is the command that shows it again, or empty.
    """
    pc, raw = at
    lines = [
        f"lockstep: {what} differs at instruction {number}",
        f"  {pc:#010x}  {raw:08x}  {disassemble(raw, pc)}",
        f"  expected {expected}",
        f"  got      {got}",
        "  before it:",
        *(f"    {a:#010x}  {w:08x}  {disassemble(w, a)}" for a, w in history[-20:]),
    ]
    if repeat:
        lines.append(f"  repeat with: {repeat}")
    return "\n".join(lines)
