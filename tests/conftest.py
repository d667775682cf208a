"""What every test gets: its markers and its name in the report, for the evidence gatherer."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Write the markers ``requirement`` and ``attack`` into the JUnit report as properties."""
    item.user_properties.append(("test", item.nodeid))
    for kind in ("requirement", "attack"):
        for marker in item.iter_markers(kind):
            for identifier in marker.args:
                item.user_properties.append((kind, str(identifier)))
