"""Exhaustive search of the model of contexts: can a manager read or write a protected program's registers, or make it
go on where it was not meant to?

``search`` goes through every state that can be reached (breadth first, so what it finds is a shortest sequence). With
all rules it finds nothing; with any one taken out it finds a leak. Run it: ``python -m
hakone_sim.models.context_search``. Source: the project's context model (``docs/reference``).
"""

import time
from collections import deque
from dataclasses import dataclass, field

from .context_moves import Chip
from .context_rules import RULES
from .context_state import State
from .context_steps import Move

#: Code that is left with ``retmode`` only, and code that the fetch itself enters and leaves.
STARTS = tuple(State(automatic=automatic, held=held) for automatic in (False, True) for held in (-1, 0))


@dataclass
class Found:
    """Result of a search. ``leak`` is empty when there is none; then ``states`` is the number of all states."""

    leak: str = ""
    sequence: tuple[Move, ...] = ()
    start: State = STARTS[0]
    states: int = 0
    transitions: int = 0
    halts: int = 0
    seconds: float = 0.0
    reached: dict[State, tuple[State, Move] | None] = field(default_factory=dict, repr=False)

    def told(self) -> str:
        """The sequence in one line."""
        return ", ".join(str(move) for move in self.sequence)


def path(reached: dict[State, tuple[State, Move] | None], state: State) -> tuple[Move, ...]:
    """The moves that lead to a state."""
    moves = []
    before = reached[state]
    while before:
        moves.append(before[1])
        before = reached[before[0]]
    return tuple(reversed(moves))


def origin(reached: dict[State, tuple[State, Move] | None], state: State) -> State:
    """The start that a state was reached from."""
    before = reached[state]
    while before:
        state = before[0]
        before = reached[state]
    return state


def search(without: str | tuple[str, ...] = (), backstop: bool = False) -> Found:
    """Search with all rules but ``without``. Raises ``ValueError`` for an unknown rule."""
    chip = Chip(frozenset([without] if isinstance(without, str) else without), backstop)
    reached: dict[State, tuple[State, Move] | None] = dict.fromkeys(STARTS)
    found = Found(reached=reached)
    begin = time.monotonic()
    queue = deque(STARTS)
    while queue:
        state = queue.popleft()
        for move in chip.moves(state):
            step = chip.step(state, move)
            found.transitions += 1
            if step.leak:
                found.leak, found.sequence = step.leak, (*path(reached, state), move)
                found.start = origin(reached, state)
                queue.clear()
                break
            if step.halted:
                found.halts += 1
            elif step.state not in reached:
                reached[step.state] = state, move
                queue.append(step.state)
    found.states, found.seconds = len(reached), time.monotonic() - begin
    return found


def row(rule: str, found: Found) -> str:
    """A line of the table of rules in ``docs/reference/contexts.md``."""
    start = found.start
    kinds = ("automatic" if start.automatic else "explicit") + (", shared" if start.held >= 0 else "")
    return f"| `{rule}` | {RULES[rule]} | {found.leak} | {kinds}: {found.told()} |"


def read_row(line: str) -> tuple[str, str, tuple[Move, ...], State]:
    """Rule, leak, moves and start of a line of that table. Raises ``ValueError`` for a line that is none."""
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    if len(cells) != 4:
        raise ValueError(f"{line}: four cells are needed")
    rule, _, leak, sequence = cells
    kinds, _, moves = sequence.partition(": ")
    start = State(automatic="automatic" in kinds, held=0 if "shared" in kinds else -1)
    return rule.strip("`"), leak, tuple(Move.read(text) for text in moves.split(", ")), start


def replay(line: str) -> tuple[str, str, str, bool]:
    """Carry out the sequence of a line of the table: the rule, the leak told, the leak found without the rule, and
    whether the same moves are harmless with it (they may not be possible then)."""
    rule, told, moves, start = read_row(line)
    return rule, told, _leak(Chip(frozenset([rule])), start, moves), not _leak(Chip(), start, moves)


def _leak(chip: Chip, state: State, moves: tuple[Move, ...]) -> str:
    """The first leak on the way; empty when there is none, or a move is not possible."""
    for move in moves:
        if move not in chip.moves(state):
            return ""
        step = chip.step(state, move)
        if step.leak:
            return step.leak
        state = step.state
    return ""


def main() -> int:
    """Search with all rules, then with each taken out; print the table. 0 when all is as it must be."""
    whole = search()
    print(f"{whole.leak or 'no leak'}: {whole.states} states, {whole.transitions} moves, {whole.seconds:.0f} s")
    wrong = bool(whole.leak)
    for rule in RULES:
        found = search(rule)
        wrong |= not found.leak
        print(row(rule, found), flush=True)
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
