"""95 % intervals by a bootstrap over clusters: a draw takes as many clusters as there are, with replacement.

A cluster is a document, or a prompt where documents are unknown. It is drawn with all its rows, since rows of
the same cluster are not independent. A value from a single cluster has no interval: both sides are NaN.

A statement about one number uses its own interval. A statement about many heads and classes at once uses
joint intervals: all numbers come from the same draws, and all intervals are the same number of standard
errors wide, chosen (max |t|) so that in 95 % of the draws every number lies in its interval.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.stats import binomtest

INTERVAL = (2.5, 97.5)
FEWEST_PROMPTS = 2
"""Fewest clusters that an interval can be computed from."""
BLOCK = 512
"""Number of clusters whose weights are in memory at a time."""


class ClusterWeights:
    """How often each cluster occurs in each draw, computed for one block of clusters at a time.

    First the number of clusters that a draw takes from each block is drawn (multinomial), then, given this
    number, how often each cluster of the block occurs (multinomial again). The result is distributed like
    draws with replacement from all clusters, and the weights of a block can be computed without the others.
    """

    def __init__(self, clusters: int, n_resamples: int, seed: int) -> None:
        """Prepare the weights of `clusters` clusters in `n_resamples` draws."""
        self.n_resamples, self.seed = n_resamples, seed
        self.sizes = np.diff(np.append(np.arange(0, clusters, BLOCK), clusters))
        self.taken = np.random.default_rng(seed).multinomial(
            clusters, self.sizes / clusters, size=n_resamples
        )
        self.block = lru_cache(maxsize=2)(self._block)

    def _block(self, number: int) -> Float[ndarray, "cluster draw"]:
        """Return the weights of the clusters of one block."""
        rng, size = np.random.default_rng([self.seed, number]), self.sizes[number]
        return rng.multinomial(self.taken[:, number], np.full(size, 1 / size)).T.astype(np.float32)


def cluster_weights(clusters: int, n_resamples: int, seed: int) -> Float[ndarray, "draw cluster"]:
    """Return how often each cluster occurs in each draw, for all clusters at once."""
    weights = ClusterWeights(clusters, n_resamples, seed)
    return np.concatenate([weights.block(number) for number in range(len(weights.sizes))]).T


def interval(values: Float[ndarray, "column draw"]) -> Float[ndarray, "side column"]:
    """Return the 95 % percentile interval (low, high) over draws, leaving out draws without a value (NaN).

    A column without any value has no interval: both sides are NaN.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        return np.nanpercentile(values, INTERVAL, axis=1)


def mean_intervals(
    values: Float[ndarray, "cluster column"], n_resamples: int, seed: int
) -> Float[ndarray, "side column"]:
    """Return the bootstrap percentile interval (low, high) of the mean of each column."""
    if len(values) < FEWEST_PROMPTS:
        return np.full((2, values.shape[1]), np.nan)
    weights = cluster_weights(len(values), n_resamples, seed)
    return np.percentile(weights @ values / len(values), INTERVAL, axis=0)


def ratio_intervals(
    sums: Float[ndarray, "cluster column"],
    counts: Float[ndarray, "cluster column"],
    n_resamples: int,
    seed: int,
) -> Float[ndarray, "side column"]:
    """Return the bootstrap percentile interval of Σ sums / Σ counts of each column.

    Draws in which the counts of a column add up to zero are left out.
    """
    drawn = resampled_ratios(sums, counts, n_resamples, seed)
    drawn[:, np.count_nonzero(counts, axis=0) < FEWEST_PROMPTS] = np.nan
    return interval(drawn.T)


def resampled_ratios(
    sums: Float[ndarray, "cluster column"],
    counts: Float[ndarray, "cluster column"],
    n_resamples: int,
    seed: int,
) -> Float[ndarray, "draw column"]:
    """Return Σ sums / Σ counts of each column in every draw; NaN where the counts add up to zero."""
    weights = cluster_weights(len(sums), n_resamples, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ sums) / (weights @ counts)


LEAST_ROWS, LEAST_CLUSTERS = 100, 20
"""A mean over fewer rows, or from fewer clusters, gets no interval."""


def ratio_table(
    sums: Float[ndarray, "cluster column"],
    counts: Float[ndarray, "cluster column"],
    rows: Int[ndarray, " column"],
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Return Σ sums / Σ counts of every column, with its own interval and one that holds for all together.

    Columns: mean, low, high, joint_low, joint_high. No interval where a column has fewer than `LEAST_ROWS`
    rows or a count in fewer than `LEAST_CLUSTERS` clusters.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        table = pd.DataFrame({"mean": sums.sum(0) / counts.sum(0)})
    enough = (rows >= LEAST_ROWS) & ((counts > 0).sum(0) >= LEAST_CLUSTERS)
    table[["low", "high", "joint_low", "joint_high"]] = np.nan
    if enough.any():
        draws = resampled_ratios(sums[:, enough], counts[:, enough], n_resamples, seed)
        low, high = np.nanpercentile(draws, INTERVAL, axis=0)
        joint_low, joint_high = joint_intervals(table.loc[enough, "mean"].to_numpy(), draws)
        table.loc[enough, ["low", "high"]] = np.stack([low, high], 1)
        table.loc[enough, ["joint_low", "joint_high"]] = np.stack([joint_low, joint_high], 1)
    return table


def joint_intervals(
    means: Float[ndarray, " column"], draws: Float[ndarray, "draw column"]
) -> Float[ndarray, "side column"]:
    """Return simultaneous intervals (max |t|): in 95 % of the draws, every column lies in its own.

    A column that no draw changes has no width.
    """
    error = np.nanstd(draws, axis=0)
    deviation = np.abs(draws - means) / np.where(error > 0, error, np.inf)
    reach = np.nanpercentile(np.nanmax(deviation, axis=1), INTERVAL[1] - INTERVAL[0]) * error
    return np.stack([means - reach, means + reach])


def share_interval(hits: Bool[ndarray, " prompt"]) -> tuple[float, float]:
    """Return Wilson's score interval of the share of prompts that hit.

    A bootstrap interval would have no width where all prompts hit, or none.
    """
    sides = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return float(sides.low), float(sides.high)
