"""The labelled rows of a head, read in chunks, so that memory does not grow with the study."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int
from numpy import ndarray

from polyhead.files import read_chunks

Chunks = Callable[[], Iterable[pd.DataFrame]]
"""Yields all rows in order, in chunks; every call starts again. All chunks have the same categories."""


def label_chunks(path: Path | str) -> Chunks:
    """Return the chunks of labels.parquet; reading raises `PolyheadError` if it is missing or damaged."""
    return lambda: (table.to_pandas() for table in read_chunks(path))


def in_memory(labels: pd.DataFrame, rows: int | None = None) -> Chunks:
    """Return a table as chunks of `rows` rows each, or as a single chunk."""
    step = rows or max(1, len(labels))
    return lambda: (labels.iloc[first : first + step] for first in range(0, len(labels), step))


def prompt_ids_of(chunks: Chunks) -> Int[ndarray, " prompt"]:
    """Return the ids of the prompts that the rows come from, sorted."""
    return np.unique(np.concatenate([chunk["prompt"].unique() for chunk in chunks()]))


def labels_until(chunks: Chunks, prompt: int) -> pd.DataFrame:
    """Return the rows of the prompts with ids up to `prompt`; rows must be sorted by prompt."""
    parts = []
    for chunk in chunks():
        parts.append(chunk[chunk["prompt"] <= prompt])
        if chunk["prompt"].iloc[-1] > prompt:
            break
    return pd.concat(parts)


Group = TypeVar("Group", bound=Hashable)
GroupsOf = Callable[[pd.DataFrame], Iterator[tuple[Group, Bool[ndarray, " row"]]]]
"""Yields the groups in a chunk, each with a mask of its rows; a row may be in several groups."""


def count_groups(chunks: Chunks, groups: GroupsOf[Group]) -> dict[Group, int]:
    """Count the rows of every group; groups are in the order of their first row."""
    counts: dict[Group, int] = {}
    for chunk in chunks():
        for group, rows in groups(chunk):
            counts[group] = counts.get(group, 0) + int(rows.sum())
    return counts


def take_ranked(
    chunks: Chunks, groups: GroupsOf[Group], ranks: Mapping[Group, Int[ndarray, " drawn"]]
) -> tuple[dict[Group, Int[ndarray, " drawn"]], pd.DataFrame]:
    """Take from every group the rows of the given ranks; the first row of a group has rank 0.

    Returns:
        For every group, the positions of its taken rows among all rows, in the order of its ranks; and a
        table of all taken rows, indexed by position.
    """
    places = {group: np.empty(len(wanted), np.int64) for group, wanted in ranks.items()}
    seen, first, taken = dict.fromkeys(ranks, 0), 0, []
    for chunk in chunks():
        needed = []
        for group, rows in groups(chunk):
            if group not in ranks:
                continue
            lines = np.flatnonzero(rows)
            here = (ranks[group] >= seen[group]) & (ranks[group] < seen[group] + len(lines))
            chosen = lines[ranks[group][here] - seen[group]]
            places[group][here] = first + chosen
            needed.append(chosen)
            seen[group] += len(lines)
        lines = np.unique(np.concatenate(needed)) if needed else np.array([], int)
        taken.append(chunk.iloc[lines].set_axis(first + lines))
        first += len(chunk)
    return places, pd.concat(taken)
