"""A struct's fields as signals of their own. No clock domain."""

from amaranth import Cat, Signal, Value
from amaranth.lib import data


class Fields:
    """One signal for each field of ``layout``, as attributes of the same names, each to be driven by itself.

    ``packed()`` is the whole, for one assignment to a signal of that layout. A struct that is driven field by field
    becomes, in the generated Verilog, a vector with many drivers: simulators take it for a loop when one field
    depends on another, and a field that stays constant is never given its value. ``name`` begins the signals' names.
    """

    def __init__(self, layout: data.Layout | type, name: str):
        shape = layout.as_shape() if isinstance(layout, type) else layout
        self._names = [key for key, _ in shape]
        for key, field in shape:
            setattr(self, str(key), Signal(field.shape, name=f"{name}_{key}"))

    def packed(self) -> Value:
        """All fields in the order of the layout (which must have no gaps)."""
        return Cat(Value.cast(getattr(self, str(key))) for key in self._names)
