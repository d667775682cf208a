"""The one kind of error that a user meets: a culprit, what is wrong with it, and what to do."""

from hakone_sim.errors import InputError


class ToolError(InputError):
    """Bad input. Printed by ``hakone`` as ``hakone <verb>: <culprit>: <problem>; <remedy>`` with exit status 2.

    ``culprit`` is the file, option or key as the user wrote it. The texts have no full stop and no line break. The
    simulator's ``InputError`` is printed in the same way.
    """
