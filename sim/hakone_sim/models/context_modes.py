"""The model of contexts: entering and leaving encrypted code, back links, stack pointers, and regions that go.

Source: the project's context model (``docs/reference``).
"""

from hakone.isa.cause import Cause, Sub

from .context_state import LINK_LIMIT, Code, Kind, Link, Mode, Place, State, kind
from .context_steps import MACHINE, Step, Traps


class Modes(Traps):
    """What the mode unit, the fetch rules and the key store do."""

    def _wipe(self, s: State, slot: int) -> State:
        """Nobody uses the key in this slot any more."""
        if "stack_ends_with_key" not in self.on:
            return s
        return self._stored(s, slot, 0)

    @staticmethod
    def _stored(s: State, slot: int, value: int) -> State:
        return s._replace(stacks=(s.stacks[0], value) if slot else (value, s.stacks[1]))

    @staticmethod
    def _placed(s: State, code: Code, slot: int) -> State:
        return s._replace(victim_slot=slot) if code == Code.VICTIM else s._replace(stranger_slot=slot)

    def _release(self, s: State, code: Code) -> State:
        slot = s.slot_of(code)
        if slot < 0:
            return s
        s = self._placed(s, code, -1)
        s = s if s.held == slot else self._wipe(s, slot)
        displaced = tuple(link._replace(live=link.live and link.code != code) for link in s.links)
        return s._replace(links=displaced, stale=s.stale and max(s.victim_slot, s.stranger_slot) >= 0)

    def _push(self, s: State, live: bool = True) -> State | None:
        """With another back link; None when there is no room."""
        if s.link_count >= LINK_LIMIT and "link_overflow" in self.on:
            return None
        if s.link_count > LINK_LIMIT:  # enough of it
            return s
        link = Link(s.code, s.slot, live)
        place = s.link_count % LINK_LIMIT
        links = (*s.links[:place], link, *s.links[place + 1 :])
        return s._replace(links=links, link_count=s.link_count + 1)

    def _pop(self, s: State, back: int) -> State:
        """Without the newest link (all down to the one that is ``back`` places from the end)."""
        if "link_used_once" not in self.on:
            place = (s.link_count - back) % LINK_LIMIT
            used = s.links[place]._replace(live=False)
            return s._replace(links=(*s.links[:place], used, *s.links[place + 1 :]))
        count = s.link_count - back
        links = list(s.links)
        for n in range(back):
            place = (s.link_count - 1 - n) % LINK_LIMIT
            links[place] = links[place]._replace(live=False)
        return s._replace(
            links=tuple(links[: max(count, 0)] if s.link_count <= LINK_LIMIT else links), link_count=count
        )

    def _keep_stack(self, s: State) -> State:
        """The side that is left stores its stack pointer. In plain mode the state's key slot is 0."""
        return self._stored(s, s.slot if "stack_by_key" in self.on else 0, s.stack)

    def _own_stack(self, s: State) -> State:
        """Encrypted code gets the stack pointer of its key."""
        if "own_stack" not in self.on:
            return s
        return s._replace(stack=s.stacks[s.slot if "stack_by_key" in self.on else 0])

    def _leave(self, s: State) -> State:
        """To plain mode."""
        s = self._keep_stack(s)
        if "own_stack" in self.on:
            s = s._replace(stack=s.plain_stack)
        s = self._clear(s)
        return s._replace(mode=Mode.PLAIN, code=Code.NONE, slot=0, place=Place.PLAIN)

    def _clear(self, s: State) -> State:
        return s._replace(cleared=0) if "clear_on_leaving" in self.on else s

    def _enter(self, s: State, place: Place) -> Step:
        """Into encrypted mode, from plain mode or (by a fetch) from code of another key."""
        if s.running == s.trap_context and "not_trap_context" in self.on:
            return self._trap(s, Cause.MODE, Sub.MODE_CONTEXT)
        if s.running == 0:
            if "not_context_0" in self.on:
                return self._trap(s, Cause.MODE, Sub.MODE_CONTEXT)
            return Step(s, leak="encrypted execution in context 0")
        if s.running_level == MACHINE:
            if "not_level_3" in self.on:
                return self._trap(s, Cause.MODE, Sub.MODE_CONTEXT)
            return Step(s, leak="encrypted execution at level 3")
        if s.running == 2:
            return Step(s, leak="encrypted execution in the trap context")
        s = self._clear(self._keep_stack(s)) if s.mode == Mode.ENCRYPTED else s._replace(plain_stack=s.stack)
        if "sealed_by_entry" in self.on:
            s = s._replace(sealed=True)
        back = {Place.NEWEST_LINK: 1, Place.OLDER_LINK: 2 if "newest_link" not in self.on else 0}.get(place, 0)
        link = s.newest(back) if back else None
        if not link:
            return Step(s._replace(mode=Mode.LANDING, code=Code.NONE, slot=0, place=self._fixed(s, place)))
        live = link.live and back == 1
        s = self._pop(s, back)._replace(mode=Mode.ENCRYPTED, code=link.code, slot=link.slot)
        wrong = not live and link.code == Code.VICTIM and s.victim_slot == link.slot
        leak = "the program goes on where no call of it returns to" if wrong else ""
        return Step(self._own_stack(s)._replace(place=Place.RETURNED), leak=leak)

    @staticmethod
    def _fixed(s: State, place: Place) -> Place:
        """A link's address is a place in somebody's code, and stays so when the link is gone."""
        back = {Place.NEWEST_LINK: 1, Place.OLDER_LINK: 2}.get(place)
        if not back:
            return place
        link = s.newest(back)
        victims = link is None or link.code == Code.VICTIM
        return Place.VICTIM_MIDDLE if victims else Place.STRANGER_LANDING

    def _do_fetch(self, s: State, _on: int) -> Step:
        """The first fetch behind a jump, an entry or a resumption."""
        if s.mode == Mode.PLAIN:
            code, _ = self._code_at(s, s.place)
            if code == Code.NONE:
                return self._shown(s._replace(place=Place.PLAIN))
            if "no_plain_fetch" not in self.on:
                leak = "the program's code runs in plain mode, open to the manager" if code == Code.VICTIM else ""
                return Step(s._replace(place=Place.PLAIN), leak=leak)
            return self._enter(s, s.place) if s.automatic else self._trap(s, Cause.MODE, Sub.MODE_PLAIN_FETCH)
        if s.mode == Mode.LANDING:
            return self._land(s)
        if s.place in (Place.OUTSIDE, Place.OUTSIDE_CALL):
            return self._outside(s)
        if s.place != Place.RETURNED:  # a jump of encrypted code to code of another key
            return self._cross(s)
        return self._fetch_inside(s) or self._arrive(s)

    def _cross(self, s: State) -> Step:
        code, slot = self._code_at(s, s.place)
        if code == s.code and slot == s.slot:
            leak = "" if code == Code.STRANGER else "the program goes on where no call of it returns to"
            return Step(s._replace(place=Place.INSIDE), leak=leak)
        if code == Code.NONE:
            return self._outside(s)
        if "mode_follows_fetch" not in self.on:
            return Step(s, leak="encrypted mode executes somebody else's code")
        return self._enter(s, s.place)

    def _land(self, s: State) -> Step:
        code, slot = self._code_at(s, s.place)
        if code == Code.NONE:
            return self._trap(s, Cause.MODE, Sub.MODE_FETCH_OUTSIDE)
        if s.place not in (Place.VICTIM_LANDING, Place.STRANGER_LANDING) and "landing" in self.on:
            return self._trap(s, Cause.MODE, Sub.MODE_NO_LANDING)
        landed = self._own_stack(s._replace(mode=Mode.ENCRYPTED, code=code, slot=slot))
        return self._arrive(landed)

    def _arrive(self, s: State) -> Step:
        """Encrypted code runs from here on; what it may not find is looked for."""
        leak = self._seen(s)
        if s.code == Code.VICTIM:
            if s.place == Place.VICTIM_MIDDLE:
                leak = "the program is entered in the middle"
            elif kind(s.stack) in (Kind.OPEN, Kind.OLD):
                leak = "the program's stack pointer is somebody else's"
        if s.stale:
            leak = "an ended context's entries are used"
        return Step(s._replace(place=Place.INSIDE), leak=leak)

    def _outside(self, s: State) -> Step:
        if "mode_follows_fetch" not in self.on:
            return Step(s, leak="plain code runs in encrypted mode, with all registers")
        if not s.automatic:
            return self._trap(s, Cause.MODE, Sub.MODE_FETCH_OUTSIDE)
        if s.place == Place.OUTSIDE_CALL:
            pushed = self._push(s)
            if not pushed:
                return self._trap(s, Cause.MODE, Sub.MODE_BACKLINK_OVERFLOW)
            s = pushed
        return self._shown(self._leave(s))

    def _fetch_inside(self, s: State) -> Step | None:
        """What stops encrypted code that goes on: its region is gone, or another one has its key slot."""
        if s.slot_of(s.code) == s.slot:
            return None
        return self._outside(s) if s.place == Place.INSIDE else self._trap(s, Cause.MODE, Sub.MODE_FETCH_OUTSIDE)
