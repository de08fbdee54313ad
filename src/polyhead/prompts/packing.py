"""Packing: tokenised documents become sequences of equal length, as in the post's data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Int, Integer


@dataclass(frozen=True)
class Packed:
    """Token sequences (BOS first), and the documents of each with the places where they begin.

    The documents of sequence s are entries `first[s]` up to `first[s + 1]` of `documents` and `starts`.
    """

    tokens: Integer[np.ndarray, "sequence position"]
    documents: Int[np.ndarray, " entry"]
    starts: Int[np.ndarray, " entry"]
    """Position of a document's first token; 1 for one that goes on from the sequence before."""
    first: Int[np.ndarray, " sequence_and_end"]

    def entries(self) -> Iterator[slice]:
        """Yield the entries of each sequence."""
        yield from (slice(*ends) for ends in zip(self.first, self.first[1:], strict=False))

    def main_documents(self) -> list[int]:
        """Return the document that fills most of each sequence, the earlier one of equals."""
        width = self.tokens.shape[1]
        lengths = (np.diff(self.starts[here], append=width) for here in self.entries())
        places = zip(self.entries(), lengths, strict=True)
        return [int(self.documents[here][length.argmax()]) for here, length in places]

    def columns(self) -> dict[str, pa.Array]:
        """Return tokens, documents and starts as columns of lists, a line for each sequence."""
        ends, lists = pa.array(self.first, pa.int32()), pa.list_(pa.int32())
        return {
            "tokens": pa.array(list(self.tokens.astype(np.int32)), lists),
            "documents": pa.ListArray.from_arrays(ends, pa.array(self.documents, pa.int32())),
            "starts": pa.ListArray.from_arrays(ends, pa.array(self.starts, pa.int32())),
        }


def pack(
    texts: Sequence[np.ndarray],
    ids: Int[np.ndarray, " text"],
    context: int,
    seed: int,
    bos: int,
    eos: int,
    dtype: type = np.int32,
) -> Packed:
    """Shuffle tokenised documents, join them with EOS between, and cut sequences of `context` tokens.

    Every sequence opens with BOS, so it holds `context` - 1 tokens of text; the last, incomplete one is
    dropped. The EOS counts as part of the document that it ends. Texts with the same id are parts of one
    document.
    """
    order = np.random.default_rng(seed).permutation(len(texts))
    stream = np.concatenate(
        [np.zeros(0, dtype), *(np.append(texts[index], eos).astype(dtype) for index in order)]
    )
    lengths = np.array([len(texts[index]) + 1 for index in order], np.int64)
    begins = lengths.cumsum() - lengths
    width = context - 1
    count = len(stream) // width
    tokens: np.ndarray = np.full((count, context), bos, dtype=dtype)
    tokens[:, 1:] = stream[: count * width].reshape(count, width)
    cuts = np.arange(count) * width
    places = np.union1d(begins, cuts)
    places = places[places < count * width]
    owner = np.searchsorted(begins, places, side="right") - 1
    first = np.append(np.searchsorted(places, cuts), len(places))
    documents, starts = ids[order][owner].astype(np.int32), (places % width + 1).astype(np.int32)
    return Packed(tokens, documents, starts, first)
