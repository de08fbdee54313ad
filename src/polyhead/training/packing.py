"""Packing with the reference model's tokens: see `polyhead.prompts.packing`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt16

from polyhead.prompts import packing
from polyhead.prompts.packing import Packed
from polyhead.training.bpe import BOS_ID, EOS_ID

__all__ = ["Packed", "pack", "read_packed", "read_tokens"]


def pack(texts: Sequence[np.ndarray], ids: Int[np.ndarray, " text"], context: int, seed: int) -> Packed:
    """Pack tokenised documents; every sequence opens with BOS, and EOS stands behind every document."""
    return packing.pack(texts, ids, context, seed, BOS_ID, EOS_ID, np.uint16)


def read_packed(path: Path | str) -> Packed:
    """Read what `Packed.save` wrote."""
    with np.load(path) as arrays:
        return Packed(**arrays)


def read_tokens(path: Path | str) -> UInt16[np.ndarray, "sequence position"]:
    """Read the tokens alone of what `Packed.save` wrote: all that training needs."""
    with np.load(path) as arrays:
        return arrays["tokens"]
