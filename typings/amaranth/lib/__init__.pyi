# For the type checker: Amaranth has no types of its own. Everything is Any, but for the enumerations in lib/enum.pyi.
from typing import Any

def __getattr__(name: str) -> Any: ...
