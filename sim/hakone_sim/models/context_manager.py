"""The model of contexts: what their manager can do.

Source: the project's context model (``docs/reference``).
"""

from hakone.isa.cause import Cause, Sub

from .context_modes import Modes
from .context_state import Code, Kind, Mode, Place, State, kind, old, visible
from .context_steps import Step


class ManagerMoves(Modes):
    """Ring 0 software's instructions on contexts."""

    def _do_hxtctx(self, s: State, n: int) -> Step:
        absent = not s.exists_number(n) and "trap_context_exists" in self.on
        closed = n == 1 and s.sealed and "trap_context_unsealed" in self.on
        return Step(s if absent or closed else s._replace(trap_context=n))

    def _refused(self, s: State, n: int) -> Step | None:
        if not s.exists_number(n) and "number_exists" in self.on:
            return self._trap(s, Cause.CONTEXT, Sub.CONTEXT_NUMBER)
        return None

    def _do_ctxnew(self, s: State, n: int) -> Step:
        if s.exists_number(n):
            return self._trap(s, Cause.CONTEXT, Sub.CONTEXT_EXISTS)
        if n == 2:
            return Step(s._replace(other_exists=True, other_level=0))
        if max(s.victim_slot, s.stranger_slot) >= 0 and "new_entries" in self.on:
            return self._trap(s, Cause.CONTEXT, Sub.CONTEXT_ENTRIES)
        s = s._replace(exists=True)
        if "new_registers" in self.on:
            s = s._replace(cleared=0, kept=0, stack=0)
        if "new_links" in self.on:
            s = s._replace(links=(), link_count=0)
        if "new_stacks" in self.on:
            s = s._replace(plain_stack=0, stacks=(0, 0))
        return Step(s)

    def _do_ctxkill(self, s: State, n: int) -> Step:
        if n == s.running or n == s.trap_context or not s.exists_number(n):
            return self._trap(s, Cause.CONTEXT, Sub.CONTEXT_NUMBER)
        if n == 2:
            return Step(s._replace(other_exists=False, other_level=0))
        s = s._replace(exists=False, sealed=False, level=0, mode=Mode.PLAIN, code=Code.NONE, slot=0, place=Place.PLAIN)
        s = s._replace(cleared=old(s.cleared), kept=old(s.kept), stack=old(s.stack))
        s = s._replace(stale=max(s.victim_slot, s.stranger_slot) >= 0)
        # What nobody can see before `ctxnew`, which will reset it, need not tell states apart.
        if "new_stacks" in self.on:
            s = s._replace(plain_stack=0, stacks=(0, 0))
        if "new_links" in self.on:
            s = s._replace(links=(), link_count=0)
        return Step(
            s._replace(
                plain_stack=old(s.plain_stack),
                stacks=(old(s.stacks[0]), old(s.stacks[1])),
                links=tuple(link._replace(live=False) for link in s.links),
            )
        )

    def _do_ctxget(self, s: State, n: int) -> Step:
        refused = self._refused(s, n) or (n == s.running and self._trap(s, Cause.CONTEXT, Sub.CONTEXT_NUMBER))
        if refused or n == 2:
            return refused or Step(s)
        if s.sealed and "get_unsealed" in self.on:
            return self._trap(s, Cause.CONTEXT, Sub.CONTEXT_SEALED)
        values = (s.cleared, s.kept, s.stack)
        leak = "" if visible(*values) else "ctxget reads registers of the program"
        if Kind.OLD in map(kind, values):
            leak = "ctxget reads registers of an earlier life"
        return Step(s, values=values, leak=leak)

    def _putting(self, s: State, n: int) -> Step | None:
        refused = self._refused(s, n) or (n == s.running and self._trap(s, Cause.CONTEXT, Sub.CONTEXT_NUMBER))
        if refused or not (n == 1 and s.sealed):
            return refused or None
        if "put_unsealed" in self.on:
            return self._trap(s, Cause.CONTEXT, Sub.CONTEXT_SEALED)
        return Step(s, leak="ctxput writes a register of a sealed context")

    def _do_ctxput(self, s: State, n: int) -> Step:
        found = self._putting(s, n)
        if found or n == 2:
            return found or Step(s)
        v = self._values
        return Step(s._replace(cleared=v.open(), kept=v.open(), stack=v.open()))

    def _do_put_pc(self, s: State, place: int) -> Step:
        found = self._putting(s, 1)
        if found:
            return found
        return Step(s._replace(place=Place(place if s.victim_slot >= 0 else Place.PLAIN)))

    def _do_ctxrun(self, s: State, n: int) -> Step:
        refused = self._refused(s, n)
        return refused or self._shown(s._replace(running=n))

    def _do_clear(self, s: State, _on: int) -> Step:
        if s.exists and "release_dead" in self.on:
            return self._trap(s, Cause.CONTEXT, Sub.CONTEXT_EXISTS)
        for code in (Code.VICTIM, Code.STRANGER):
            s = self._release(s, code)
        return Step(s)

    def _do_mret(self, s: State, _on: int) -> Step:
        if s.running == 0:
            return Step(s._replace(manager_level=0))
        return Step(s._replace(other_level=0) if s.running == 2 else s._replace(level=0))
