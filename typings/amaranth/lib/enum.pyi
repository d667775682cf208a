# Amaranth's enumerations are the standard ones with a shape.
import enum as _enum
from enum import auto as auto
from typing import Any

class Enum(_enum.Enum):  # type: ignore[misc]
    def __init_subclass__(cls, *, shape: Any = ..., view_class: Any = ...) -> None: ...

class IntEnum(_enum.IntEnum):  # type: ignore[misc]
    def __init_subclass__(cls, *, shape: Any = ..., view_class: Any = ...) -> None: ...

class Flag(_enum.Flag):  # type: ignore[misc]
    def __init_subclass__(cls, *, shape: Any = ..., view_class: Any = ...) -> None: ...

class IntFlag(_enum.IntFlag):  # type: ignore[misc]
    def __init_subclass__(cls, *, shape: Any = ..., view_class: Any = ...) -> None: ...

EnumView: Any
FlagView: Any
