"""A head's labelled rows, some at a time: a large study takes no more memory than a small one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int
from numpy import ndarray

from polyhead.files import read_chunks

Chunks = Callable[[], Iterable[pd.DataFrame]]
"""All rows in order, some at a time; every call begins anew. Categories are the same in every chunk."""


def label_chunks(path: Path | str) -> Chunks:
    """Read labels.parquet in chunks. Raises PolyheadError where it is missing or damaged."""
    return lambda: (table.to_pandas() for table in read_chunks(path))


def in_memory(labels: pd.DataFrame, rows: int | None = None) -> Chunks:
    """Return a table as chunks of so many rows, or as one."""
    step = rows or max(1, len(labels))
    return lambda: (labels.iloc[first : first + step] for first in range(0, len(labels), step))


def prompt_numbers(chunks: Chunks) -> Int[ndarray, " prompt"]:
    """Return the numbers of the prompts that rows come from, sorted."""
    return np.unique(np.concatenate([chunk["prompt"].unique() for chunk in chunks()]))


def labels_until(chunks: Chunks, prompt: int) -> pd.DataFrame:
    """Return the rows of the first prompts, up to one's number; rows are in the order of their prompts."""
    early = takewhile(lambda chunk: chunk["prompt"].iloc[0] <= prompt, chunks())
    return pd.concat([chunk[chunk["prompt"] <= prompt] for chunk in early])


Kinds = Callable[[pd.DataFrame], Iterator[tuple[Hashable, Bool[ndarray, " row"]]]]
"""Name the kinds of row that a chunk holds, and say which rows are of each; a row may be of several kinds."""


def count_kinds(chunks: Chunks, kinds: Kinds) -> dict[Hashable, int]:
    """Count the rows of every kind, kinds in the order in which they are met."""
    counts: dict[Hashable, int] = {}
    for chunk in chunks():
        for kind, rows in kinds(chunk):
            counts[kind] = counts.get(kind, 0) + int(rows.sum())
    return counts


def take_ranked(
    chunks: Chunks, kinds: Kinds, ranks: Mapping[Hashable, Int[ndarray, " drawn"]]
) -> tuple[dict[Hashable, Int[ndarray, " drawn"]], pd.DataFrame]:
    """Return, for every kind, the rows at the given ranks: rank 0 is the first row of that kind.

    Returns:
        The places among all rows, for every kind in the order of its ranks; and these rows, by place.
    """
    places = {kind: np.empty(len(wanted), np.int64) for kind, wanted in ranks.items()}
    seen, first, taken = dict.fromkeys(ranks, 0), 0, []
    for chunk in chunks():
        needed = []
        for kind, rows in kinds(chunk):
            if kind not in ranks:
                continue
            lines = np.flatnonzero(rows)
            here = (ranks[kind] >= seen[kind]) & (ranks[kind] < seen[kind] + len(lines))
            chosen = lines[ranks[kind][here] - seen[kind]]
            places[kind][here] = first + chosen
            needed.append(chosen)
            seen[kind] += len(lines)
        lines = np.unique(np.concatenate(needed)) if needed else np.array([], int)
        taken.append(chunk.iloc[lines].set_axis(first + lines))
        first += len(chunk)
    return places, pd.concat(taken)
