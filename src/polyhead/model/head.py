"""The name of an attention head."""

from __future__ import annotations

import re
from typing import NamedTuple

from polyhead.errors import PolyheadError


class Head(NamedTuple):
    """A head: its layer and its number in the layer, both from 0; printed as `1.4`.

    Heads sort by layer, then by number, and unpack as `layer, number`.
    """

    layer: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read `1.4` or `L1H4`. Raises PolyheadError where the text is neither."""
        found = re.fullmatch(r"[Ll]?(\d+)(?:\.|[Hh])(\d+)", text)
        if found is None:
            raise PolyheadError(f'{text!r} is not a head; write "1.4" or "L1H4" (layer, head)')
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.layer}.{self.number}"


def all_heads(n_layers: int, n_heads: int) -> list[Head]:
    """Return every head of a model, in order."""
    return [Head(layer, number) for layer in range(n_layers) for number in range(n_heads)]
