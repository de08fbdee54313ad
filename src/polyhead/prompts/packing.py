"""Packing: tokenised documents become sequences of equal length, as in the post's data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, Integer

from polyhead.files import replacing


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

    def take(self, chosen: Int[np.ndarray, " chosen"]) -> Packed:
        """Return some of the sequences, in the order given."""
        slices = list(self.entries())
        entries = np.concatenate([np.r_[slices[one]] for one in chosen])
        counts = np.diff(self.first)[chosen]
        first = np.concatenate([[0], counts.cumsum()])
        return Packed(self.tokens[chosen], self.documents[entries], self.starts[entries], first)

    def save(self, path: Path | str) -> None:
        """Write an .npz file."""
        with replacing(path) as temporary:
            np.savez(temporary, **vars(self))


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
    return Packed(tokens, *_entries(ids[order], begins, count, width))


def _entries(
    ids: Int[np.ndarray, " text"], begins: Int[np.ndarray, " text"], count: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return documents, starts and first entries of sequences, from where documents begin in the stream."""
    cuts = np.arange(count) * width
    places = np.union1d(begins, cuts)
    places = places[places < count * width]
    owner = np.searchsorted(begins, places, side="right") - 1
    first = np.append(np.searchsorted(places, cuts), len(places))
    return ids[owner].astype(np.int32), (places % width + 1).astype(np.int32), first
