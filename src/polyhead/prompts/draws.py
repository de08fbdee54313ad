"""Draw rows of a data set that is stored in row groups: from all of them, or from a few to read less."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray


@dataclass(frozen=True)
class RowGroup:
    """A row group of one file of a split; its rows are `first` … `first + rows − 1` of the split."""

    part: str
    number: int
    rows: int
    first: int
    bytes: int


Draw = dict[RowGroup, Int[ndarray, " row"]]
"""The row groups to read, each with the rows to take, counted from its first."""


def draw_exactly(groups: tuple[RowGroup, ...], count: int, seed: int) -> Draw:
    """Draw rows uniformly, without replacement: every set of `count` rows is equally likely."""
    total = sum(group.rows for group in groups)
    chosen = np.sort(np.random.default_rng(seed).choice(total, count, replace=False))
    draw = {g: chosen[(chosen >= g.first) & (chosen < g.first + g.rows)] - g.first for g in groups}
    return {group: rows for group, rows in draw.items() if len(rows)}


def draw_clustered(groups: tuple[RowGroup, ...], count: int, budget: int, seed: int) -> Draw:
    """Draw rows from a few row groups, so that about `budget` bytes are read.

    Systematic sampling: points at equal distances, from a random start, select row groups with probability
    proportional to their numbers of rows. Every point stands for the same number of rows (up to one), which
    are drawn from its row group without replacement. So every row has the same probability to be in the
    sample, but rows of the same row group tend to be drawn together.
    """
    rng = np.random.default_rng(seed)
    sizes = np.array([group.rows for group in groups])
    points = cluster_points(groups, count, budget)
    where = (rng.random() + np.arange(points)) * (sizes.sum() / points)
    hit = np.searchsorted(sizes.cumsum(), where, side="right").clip(max=len(groups) - 1)
    wanted = np.full(points, count // points)
    wanted[rng.choice(points, count % points, replace=False)] += 1
    per_group = np.bincount(hit, wanted, len(groups)).astype(int)
    return {
        group: np.sort(rng.choice(group.rows, rows, replace=False))
        for group, rows in zip(groups, per_group, strict=True)
        if rows
    }


def cluster_points(groups: tuple[RowGroup, ...], count: int, budget: int) -> int:
    """Return the number of points: what the budget allows, but enough that no group has too few rows."""
    total = sum(group.rows for group in groups)
    mean_bytes = sum(group.rows / total * group.bytes for group in groups)
    points = int(np.clip(budget // mean_bytes, 1, count))

    def suffices(group: RowGroup) -> bool:
        return -(-group.rows * points // total) * -(-count // points) <= group.rows

    while not all(map(suffices, groups)):
        points = min(count, 2 * points)
    return points
