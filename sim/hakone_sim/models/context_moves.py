"""Moves of the model of contexts: what anybody who runs can do next, and what the chip then does.

``Chip.moves`` lists the moves of a state, ``Chip.step`` carries one out. A step that breaks a property says so in
``leak``. Source: the project's context model (``docs/reference``).
"""

from hakone.isa.cause import Cause, Sub

from .context_manager import ManagerMoves
from .context_state import Code, Mode, Place, State
from .context_steps import MACHINE, Move, Step

#: Where plain code and the stranger may want to enter.
TARGETS = (
    Place.VICTIM_LANDING,
    Place.VICTIM_MIDDLE,
    Place.STRANGER_LANDING,
    Place.NEWEST_LINK,
    Place.OLDER_LINK,
)


def settled(s: State) -> bool:
    """Is the program counter of context 1 where code of its mode runs? Else the next fetch decides."""
    return s.place == (Place.INSIDE if s.mode == Mode.ENCRYPTED else Place.PLAIN) and s.mode != Mode.LANDING


class Chip(ManagerMoves):
    """The chip, and everybody who runs on it."""

    # -- which moves there are -----------------------------------------------------------------------------------

    def moves(self, s: State) -> list[Move]:
        """The moves of whoever runs, and an interrupt."""
        found = [Move("interrupt")] if s.running_level != MACHINE else []
        if s.running == 1 and not settled(s):
            return [*found, Move("fetch")]
        found.append(Move("ecall"))
        if s.running == 1 and s.mode == Mode.ENCRYPTED:
            return found + (self._victim_moves(s) if s.code == Code.VICTIM else self._stranger_moves(s))
        found += self._plain_moves(s)
        if s.running_level == MACHINE:
            found += self._manager_moves(s)
        return found

    @staticmethod
    def _manager_moves(s: State) -> list[Move]:
        numbers = [n for n in range(3) if n != s.running]
        found = [Move("hxtctx", n) for n in range(3)] + [Move("ctxrun", n) for n in numbers] + [Move("mret")]
        for n in (1, 2):
            found += [Move(name, n) for name in ("ctxnew", "ctxkill", "ctxget", "ctxput")]
        found += [Move("put_pc", place) for place in (Place.PLAIN, Place.VICTIM_LANDING, Place.VICTIM_MIDDLE)]
        return [*found, Move("clear")]

    @staticmethod
    def _plain_moves(s: State) -> list[Move]:
        if s.running != 1:
            unshare = [Move("unshare")] if s.running == 2 and s.held >= 0 else []
            enters = s.running == 0 or s.running == s.trap_context
            return unshare + ([Move("cryptomode", Place.VICTIM_LANDING)] if enters else [])
        found = [Move("cryptomode", t) for t in TARGETS] + [Move("jump", t) for t in TARGETS]
        found += [Move("write"), Move("retmode"), Move("cryptomode", Place.PLAIN)]
        return found + [Move("release" if s.slot_of(c) >= 0 else "install", c) for c in (Code.VICTIM, Code.STRANGER)]

    @staticmethod
    def _victim_moves(s: State) -> list[Move]:
        found = [Move("work"), Move("fault"), Move("inner_call"), Move("leave"), Move("call"), Move("jump_out")]
        if s.automatic:
            newest = s.newest()
            found += [Move("call_out"), Move("call_stranger")]
            found += [Move("jump", Place.NEWEST_LINK)] if newest and newest.code == Code.STRANGER else []
        return found

    @staticmethod
    def _stranger_moves(s: State) -> list[Move]:
        found = [Move("write"), Move("leave"), Move("call"), Move("release", Code.VICTIM)]
        return found + ([Move("jump", t) for t in TARGETS] if s.automatic else [])

    # -- what a move does ----------------------------------------------------------------------------------------

    def step(self, s: State, move: Move) -> Step:
        """Carry out a move of ``moves(s)``."""
        if s.running == 1 and move.name not in ("interrupt", "fetch") and s.mode == Mode.ENCRYPTED:
            found = self._fetch_inside(s)
            if found:
                return found
        return getattr(self, "_do_" + move.name)(s, move.on)

    # plain code's

    def _do_write(self, s: State, _on: int) -> Step:
        v = self._values
        return Step(s._replace(cleared=v.open(), kept=v.open(), stack=v.open()))

    def _do_cryptomode(self, s: State, place: int) -> Step:
        return self._enter(s, Place(place))

    def _do_jump(self, s: State, place: int) -> Step:
        if s.code == Code.VICTIM:
            s = self._declare(s)
        return Step(s._replace(place=Place(place)))

    def _do_retmode(self, s: State, _on: int) -> Step:
        if "retmode_encrypted" in self.on:
            return self._trap(s, Cause.MODE, Sub.MODE_NOT_ENCRYPTED)
        return self._shown(self._leave(s))

    def _do_install(self, s: State, code: int) -> Step:
        """A loader makes an entry for a piece of code: its record is public. The first free key slot is used."""
        slot = s.held if code == Code.VICTIM and s.held >= 0 else s.free_slot()
        return Step(self._placed(s, Code(code), slot))

    def _do_release(self, s: State, code: int) -> Step:
        if s.slot_of(Code(code)) < 0:
            return self._trap(s, Cause.REGION, Sub.REGION_NO_ENTRY)
        s = self._release(s, Code(code))
        return Step(s._replace(links=(), link_count=0) if "links_end_with_code" in self.on else s)

    def _do_unshare(self, s: State, _on: int) -> Step:
        """Context 2 releases its entry under the victim's key."""
        held, s = s.held, s._replace(held=-1)
        return Step(s if s.victim_slot == held else self._wipe(s, held))

    # encrypted code's

    def _do_work(self, s: State, _on: int) -> Step:
        v = self._values
        return Step(s._replace(cleared=v.secret(), kept=v.secret(), stack=v.secret()))

    def _do_fault(self, s: State, _on: int) -> Step:
        return self._trap(s, Cause.LOAD_FAULT, value=s.cleared)

    def _do_inner_call(self, s: State, _on: int) -> Step:
        return Step(s if "link_by_leaving" in self.on else self._push(s, False) or s)

    def _declare(self, s: State) -> State:
        """What is passed in a call is meant to be seen."""
        return s._replace(kept=self._values.open())

    def _do_leave(self, s: State, _on: int) -> Step:
        return self._shown(self._leave(self._declare(s)))

    def _do_call(self, s: State, _on: int) -> Step:
        pushed = self._push(s)
        if not pushed:
            return self._trap(s, Cause.MODE, Sub.MODE_BACKLINK_OVERFLOW)
        return self._shown(self._leave(self._declare(pushed)))

    def _do_jump_out(self, s: State, _on: int) -> Step:
        return Step(self._declare(s)._replace(place=Place.OUTSIDE))

    def _do_call_out(self, s: State, _on: int) -> Step:
        return Step(self._declare(s)._replace(place=Place.OUTSIDE_CALL))

    def _do_call_stranger(self, s: State, _on: int) -> Step:
        pushed = self._push(s)
        if not pushed:
            return self._trap(s, Cause.MODE, Sub.MODE_BACKLINK_OVERFLOW)
        if s.stranger_slot < 0:
            return self._shown(self._leave(self._declare(pushed)))
        return self._enter(self._declare(pushed), Place.STRANGER_LANDING)
