"""Programs: a type as C decodes it, see csrc/decode.h."""

from __future__ import annotations

import sys
from struct import Struct, error

from ._ffi import Decoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._codec_base import Codec

__all__ = ["NATIVE", "Program"]

NATIVE = "<" if sys.byteorder == "little" else ">"
"""The byte order of this machine, the only one that C decodes."""


class Program:
    """What C decodes a type by: the nodes of csrc/decode.h, each before its children, and what they refer to."""

    MOST = 4096
    """Nodes of a program. A type of more, which hardly a record is, is decoded by its expression alone."""

    KINDS = (
        "unsigned", "signed", "truth", "float", "bytes", "text", "enum", "signed enum",
        "bits", "signed bits", "truth bits", "enum bits", "signed enum bits", "array", "record",
    )  # fmt: skip

    def __init__(self) -> None:
        self.nodes: list[list[int]] = []
        self.constants: list[object] = []

    def add(self, codec: Codec, offset: int) -> bool:
        """Add what decodes a codec's value at `offset` of what it is in; tell whether C can."""
        for kind in type(codec).__mro__:
            # A class with an expression of its own and no node has values of its own.
            if "add_node" in vars(kind):
                return len(self.nodes) < self.MOST and codec.add_node(self, offset)
            if "expression" in vars(kind):
                break
        return False

    def node(
        self, kind: str, offset: int, size: int, count: int = 0, constant: object = None, *, shared: bool = True
    ) -> int:
        """Add a node; give its number."""
        number = 0
        if constant is not None:
            number = len(self.constants)
            self.constants.append(constant)
        self.nodes.append([self.KINDS.index(kind), offset, size, count, number, shared, 1])
        return len(self.nodes) - 1

    def close(self, number: int) -> bool:
        """Say that what has been added since is within that node."""
        inner = self.nodes[number + 1 :]
        self.nodes[number][-2:] = [all(shared for *_, shared, _ in inner), len(inner) + 1]
        return True

    def make(self, alone: Callable[[Any, int], Any]) -> Decoder | None:
        """Give what decodes; C leaves to `alone` what it cannot do."""
        words = [word for node in self.nodes for word in node]
        if Decoder is None:
            return None
        try:
            return Decoder(Struct(f"={len(words)}I").pack(*words), tuple(self.constants), alone)
        except (ValueError, error):
            # Too deep, or a size that 32 bits do not hold.
            return None
