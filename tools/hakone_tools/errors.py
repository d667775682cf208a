"""The one kind of error that a user meets: a culprit, what is wrong with it, and what to do."""


class ToolError(Exception):
    """Bad input. Printed by ``hakone`` as ``hakone <verb>: <culprit>: <problem>; <remedy>`` with exit status 2.

    ``culprit`` is the file, option or key as the user wrote it. The texts have no full stop and no line break.
    """

    def __init__(self, culprit: object, problem: str, remedy: str):
        self.culprit = str(culprit)
        self.problem = problem
        self.remedy = remedy
        super().__init__(" ".join(f"{self.culprit}: {problem}; {remedy}".split()))
