"""Sequences of the model of contexts that go through every kind of situation and every move in it, for the hardware.

A situation is a state without what changes nothing in the answer: values, and what lies in contexts that do not run.
``cover`` walks all states that the hardware can be brought to and chooses sequences, shortest paths first joined to
what can be done behind them, until every pair of situation and move was made once. Source: the project's context model
(``docs/reference``).
"""

from collections import deque
from functools import cache

from hakone.isa.cause import Sub

from .context_moves import Chip
from .context_search import origin, path
from .context_state import Code, State
from .context_steps import Move, Step

#: Without a second user of the key: it makes no other situation.
STARTS = (State(automatic=False), State(automatic=True))
LONGEST = 40  #: moves of a sequence, about
NEAR = 200  #: states that are looked at for a continuation


def drivable(state: State, move: Move, step: Step) -> bool:
    """Can the core be driven through this move? Not so for an overflow of links (it has more than the model), nor where
    the region unit would refuse."""
    if step.sub == Sub.MODE_BACKLINK_OVERFLOW or step.halted:
        return False
    return move.name != "release" or state.slot_of(Code(move.on)) >= 0


def situation(s: State) -> tuple:
    """The class of a state."""
    newest = s.newest()
    own = (s.mode, s.code, s.place, s.link_count, newest and newest.code) if s.running == 1 else ()
    there = (s.exists, s.sealed, s.victim_slot >= 0 or s.stranger_slot >= 0) if s.running_level == 3 else (s.sealed,)
    return s.running, s.trap_context, s.running_level, s.automatic, there, s.other_exists, own


@cache
def cover(limit: int | None = None) -> tuple[list[tuple[State, tuple[Move, ...]]], int]:
    """Sequences, each with the state it starts from, and the number of pairs that they cover. ``limit``: stop looking
    after so many states."""
    chip = Chip()
    reached: dict[State, tuple[State, Move] | None] = dict.fromkeys(STARTS)
    pairs: dict[tuple, State] = {}
    queue = deque(STARTS)
    while queue and (limit is None or len(reached) < limit):
        state = queue.popleft()
        where = situation(state)
        for move in chip.moves(state):
            if (where, move) in pairs and move.name in ("write", "work"):
                continue  # the same again, with other values
            step = chip.step(state, move)
            if drivable(state, move, step):
                pairs.setdefault((where, move), state)
                if step.state not in reached:
                    reached[step.state] = state, move
                    queue.append(step.state)
    return _choose(chip, reached, pairs), len(pairs)


def _choose(chip: Chip, reached: dict, pairs: dict) -> list[tuple[State, tuple[Move, ...]]]:
    """Sequences that make every pair, the farthest first."""
    left = dict(pairs)
    found = []
    for pair, state in reversed(pairs.items()):
        if pair not in left:
            continue
        start = here = origin(reached, state)
        moves: list[Move] = []
        following = (*path(reached, state), pair[1])
        while following:
            for move in following:
                left.pop((situation(here), move), None)
                here = chip.step(here, move).state
            moves += following
            following = _near(chip, here, left) if len(moves) < LONGEST else ()
        found.append((start, tuple(moves)))
    return found


def _near(chip: Chip, state: State, left: dict) -> tuple[Move, ...]:
    """The way to a move that was not made yet in its situation, when there is one near."""
    ways: dict[State, tuple[Move, ...]] = {state: ()}
    queue = deque([state])
    while queue and len(ways) < NEAR:
        here = queue.popleft()
        where = situation(here)
        for move in chip.moves(here):
            step = chip.step(here, move)
            if not drivable(here, move, step):
                continue
            if (where, move) in left:
                return (*ways[here], move)
            if step.state not in ways:
                ways[step.state] = (*ways[here], move)
                queue.append(step.state)
    return ()
