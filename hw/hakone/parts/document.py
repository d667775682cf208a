"""What the head of a unit's Verilog file tells, and the plain port names that other people's tools expect.

No hardware, no clock. A part lists every one of its ports; one that is left out or does not exist is an error.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from amaranth import Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Axi4

WIDTH = 117  #: columns of the text behind ``//``
TIE = "\x01"  # stands for a space at which no line is broken


@dataclass(frozen=True)
class PartDocument:
    """Texts about a part. ``ports``: name, or the beginning of several names with a ``*``, to meaning and validity."""

    purpose: str
    ports: Mapping[str, str]
    cycles: str
    protects: str
    leaves: str  #: what it does not protect or do

    def rows(self, part: wiring.Component) -> list[tuple[str, str]]:
        """Name, width and direction of each port of ``part`` with its meaning, in the order of this list.

        Raises ``ValueError`` for a port without a line, and for a line without a port.
        """
        left = {"clk": (In, 1), "rst": (In, 1)}
        left |= {name: (m.flow, Shape.cast(m.shape).width) for name, m in part.signature.members.items()}
        out = []
        for name, meaning in self.ports.items():
            found = [p for p in left if (p.startswith(name[:-1]) if name.endswith("*") else p == name)]
            if not found:
                raise ValueError(f"{name}: {type(part).__name__} has no such port")
            directions = {port: left.pop(port) for port in found}
            head = ", ".join(
                f"{'in' if flow == In else 'out'}{TIE}{port}" + (f"[{width - 1}:0]" if width > 1 else "")
                for port, (flow, width) in directions.items()
            )
            out.append((head, meaning))
        if left:
            raise ValueError(f"{', '.join(left)}: not documented in {type(part).__name__}")
        return out

    def text(self, part: wiring.Component) -> str:
        """The comment at the head of the file, every line of it with ``//``."""
        lines = []
        for paragraph in self.purpose.split("\n\n"):
            lines += [*self._wrap(paragraph), ""]
        lines.append("Ports (clock domain clk, rising edge; rst is synchronous, active high):")
        for head, meaning in self.rows(part):
            lines += [*self._wrap(head, "  "), *self._wrap(meaning, "      ")]
        for title, words in (
            ("Cycles:", self.cycles),
            ("Protects:", self.protects),
            ("Does not protect:", self.leaves),
            (
                "Simulators:",
                "drive rst high from time 0 and over at least two rising edges of clk; with an unknown rst Icarus may"
                " never leave time 0.",
            ),
            ("Licence:", "Apache-2.0, without warranty. SPDX-License-Identifier: Apache-2.0"),
        ):
            lines += ["", title, *self._wrap(words, "  ")]
        return "".join(f"// {line}".rstrip() + "\n" for line in lines).replace(TIE, " ")

    @staticmethod
    def _wrap(text: str, indent: str = "") -> list[str]:
        """Lines of at most ``WIDTH`` columns."""
        return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=indent, subsequent_indent=indent)


def flat(prefix: str, signature: Axi4, flow) -> dict:
    """Members ``<prefix>_<name>`` for every signal, of a manager (``flow`` is ``Out``) or a subordinate (``In``)."""
    side = signature if flow == Out else signature.flip()
    return {f"{prefix}_{name}": member.flow(member.shape) for name, member in side.members.items()}
