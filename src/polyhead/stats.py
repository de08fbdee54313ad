"""95 % intervals by a bootstrap over clusters: a draw takes as many clusters as there are, with replacement.

A cluster is a document, or a prompt where documents are unknown. It is drawn with all its rows, since rows of
the same cluster are not independent. A value from a single cluster has no interval: both sides are NaN.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Real
from numpy import ndarray
from scipy.stats import binomtest

INTERVAL = (2.5, 97.5)
LEAST_ROWS, LEAST_CLUSTERS = 100, 20
"""A mean over fewer rows, or from fewer clusters, gets no interval."""
BLOCK = 512
"""Number of clusters that are drawn with a random generator of their own."""
Sums = Float[ndarray, "cluster column"]
Counts = Real[ndarray, "cluster _"]


def cluster_weights(clusters: int, n_resamples: int, seed: int) -> Float[ndarray, "draw cluster"]:
    """Return how often each cluster occurs in each draw.

    First the number of clusters that a draw takes from each block is drawn (multinomial), then how often each
    cluster of the block occurs (multinomial again): distributed like draws from all clusters.
    """
    sizes = np.diff(np.append(np.arange(0, clusters, BLOCK), clusters))
    taken = np.random.default_rng(seed).multinomial(clusters, sizes / clusters, size=n_resamples)
    drawn = [
        np.random.default_rng([seed, block]).multinomial(taken[:, block], np.full(size, 1 / size))
        for block, size in enumerate(sizes)
    ]
    return np.concatenate(drawn, axis=1).astype(np.float32)


def interval(values: Float[ndarray, "column draw"]) -> Float[ndarray, "side column"]:
    """Return the percentile interval (low, high) over draws, leaving out draws without a value (NaN).

    A column without any value has no interval: both sides are NaN.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        return np.nanpercentile(values, INTERVAL, axis=1)


def mean_intervals(values: Sums, n_resamples: int, seed: int) -> Float[ndarray, "side column"]:
    """Return the interval (low, high) of the mean of each column; NaN for a single cluster."""
    if len(values) < 2:
        return np.full((2, values.shape[1]), np.nan)
    return interval((cluster_weights(len(values), n_resamples, seed) @ values / len(values)).T)


def resampled_ratios(sums: Sums, counts: Sums, n_resamples: int, seed: int) -> Float[ndarray, "draw column"]:
    """Return Σ sums / Σ counts of each column in every draw; NaN where the counts add up to zero."""
    weights = cluster_weights(len(sums), n_resamples, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ sums) / (weights @ counts)


def ratio_table(name: str, sums: Sums, counts: Counts, n_resamples: int, seed: int) -> pd.DataFrame:
    """Return Σ sums / Σ counts of every column as x, x_low, x_high, where x is the name.

    `counts` are numbers of rows, of each column or of all alike. No interval where a column has fewer than
    `LEAST_ROWS`, or none but in fewer than `LEAST_CLUSTERS` clusters.
    """
    sides, counts = [f"{name}_low", f"{name}_high"], np.broadcast_to(counts.astype(sums.dtype), sums.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        table = pd.DataFrame({name: sums.sum(0) / counts.sum(0), **dict.fromkeys(sides, np.nan)})
    enough = (counts.sum(0) >= LEAST_ROWS) & ((counts > 0).sum(0) >= LEAST_CLUSTERS)
    if enough.any():
        draws = resampled_ratios(sums[:, enough], counts[:, enough], n_resamples, seed)
        table.loc[enough, sides] = interval(draws.T).T
    return table


def share_interval(hits: Bool[ndarray, " prompt"]) -> tuple[float, float]:
    """Return Wilson's score interval of the share of prompts that hit.

    A bootstrap interval would have no width where all prompts hit, or none.
    """
    sides = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return float(sides.low), float(sides.high)
