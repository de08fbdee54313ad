"""Packing: tokenised documents become rows of equal length, as in the post's data set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, UInt16

from polyhead.reference.bpe import BOS_ID, EOS_ID


@dataclass(frozen=True)
class PackedRows:
    """Token rows (BOS first) and, for each place of a row, the index of the document it came from."""

    tokens: UInt16[np.ndarray, "row position"]
    documents: Int32[np.ndarray, "row position"]


def pack(texts: Sequence[np.ndarray], context: int, seed: int) -> PackedRows:
    """Shuffle tokenised documents, join them with EOS between, and cut rows of `context` tokens.

    Every row opens with BOS, so it holds `context` - 1 tokens of text; the last, incomplete one is
    dropped. The BOS counts as part of the document that follows it.
    """
    order = np.random.default_rng(seed).permutation(len(texts))
    stream = np.concatenate([np.append(texts[index], EOS_ID).astype(np.uint16) for index in order])
    owner = np.repeat(order, [len(texts[index]) + 1 for index in order]).astype(np.int32)
    rows = len(stream) // (context - 1)
    stream = stream[: rows * (context - 1)].reshape(rows, context - 1)
    owner = owner[: rows * (context - 1)].reshape(rows, context - 1)
    first = np.full((rows, 1), BOS_ID, dtype=np.uint16)
    return PackedRows(np.hstack([first, stream]), np.hstack([owner[:, :1], owner]))


def main_document(owners: Int32[np.ndarray, " position"]) -> int:
    """Return the document that fills most of a row, the earlier one of equals."""
    found, counts = np.unique(owners, return_counts=True)
    return int(found[counts.argmax()])
