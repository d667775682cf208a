"""``evidence``: one line of proof from a test, for the gatherer. Works from pytest and from cocotb alike.

The line goes to the file that ``$HAKONE_EVIDENCE`` names; without it nothing is written. The test is the one that
pytest runs, also when the call comes from a cocotb test: the simulator inherits pytest's environment.
"""

import json
import os
from typing import Any

VARIABLE = "HAKONE_EVIDENCE"
#: What a control run of an attack may say.
SUCCEEDED, VOID = "succeeded", "void"


def test_id() -> str:
    """Identifier of the running pytest test, without its phase; empty outside of one."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" (", 1)[0]


def evidence(identifier: str | int, expected: Any, got: Any, control: str | None = None) -> None:
    """Record that ``got`` was observed where ``expected`` is demanded.

    ``identifier``: a requirement ("PX-03") or the number of an attack (1). ``control``: for an attack "succeeded"
    when the same attack worked with the protection off, else "void"; for a requirement the same, or None where no
    control run belongs to it. Values must be writable as JSON.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return
    row = {"id": str(identifier), "expected": expected, "got": got, "control": control, "test": test_id()}
    line = json.dumps(row) + "\n"
    # One write to a file opened for appending: lines of parallel tests do not mix.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
