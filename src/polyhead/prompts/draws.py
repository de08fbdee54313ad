"""Draw sequences of a data set that is stored in row groups: from all of them, or from a few to read less."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray


@dataclass(frozen=True)
class RowGroup:
    """A row group of one file of a split: the sequences from number `first` of the split on."""

    part: str
    number: int
    sequences: int
    first: int
    bytes: int


def draw_exactly(groups: tuple[RowGroup, ...], count: int, seed: int) -> Int[ndarray, " drawn"]:
    """Draw sequences uniformly, without replacement: every set of `count` sequences is equally likely."""
    total = sum(group.sequences for group in groups)
    return np.random.default_rng(seed).choice(total, count, replace=False)


def draw_clustered(
    groups: tuple[RowGroup, ...], count: int, budget: int, seed: int
) -> Int[ndarray, " drawn"]:
    """Draw sequences from a few row groups, so that about `budget` bytes are read.

    Systematic sampling: points at equal distances, from a random start, select row groups with probability
    proportional to their numbers of sequences. For every point the same number of sequences (give or take
    one) is drawn from its row group, without replacement. So every sequence is equally likely to be in the
    sample, but sequences of the same row group tend to be drawn together.
    """
    rng = np.random.default_rng(seed)
    sizes = np.array([group.sequences for group in groups])
    points = cluster_points(groups, count, budget)
    where = (rng.random() + np.arange(points)) * (sizes.sum() / points)
    hit = np.searchsorted(sizes.cumsum(), where, side="right").clip(max=len(groups) - 1)
    wanted = np.full(points, count // points)
    wanted[rng.choice(points, count % points, replace=False)] += 1
    per_group = np.bincount(hit, wanted, len(groups)).astype(int)
    drawn = [
        group.first + np.sort(rng.choice(group.sequences, sequences, replace=False))
        for group, sequences in zip(groups, per_group, strict=True)
        if sequences
    ]
    return np.concatenate(drawn)[np.random.default_rng([seed, count]).permutation(count)]


def cluster_points(groups: tuple[RowGroup, ...], count: int, budget: int) -> int:
    """Return the number of points: what the budget allows, but enough that no group has too few sequences."""
    total = sum(group.sequences for group in groups)
    mean_bytes = sum(group.sequences / total * group.bytes for group in groups)
    points = int(np.clip(budget // mean_bytes, 1, count))

    def suffices(group: RowGroup) -> bool:
        return -(-group.sequences * points // total) * -(-count // points) <= group.sequences

    while not all(map(suffices, groups)):
        points = min(count, 2 * points)
    return points
