"""What is wrong with an input, in the three parts that every message has."""


class InputError(Exception):
    """Bad input: ``culprit`` (file or key), ``problem``, ``remedy``. The text is ``culprit: problem; remedy``."""

    def __init__(self, culprit: object, problem: str, remedy: str):
        self.culprit = str(culprit)
        self.problem = problem
        self.remedy = remedy
        super().__init__(" ".join(f"{self.culprit}: {problem}; {remedy}".split()))
