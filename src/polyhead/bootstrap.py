"""The bootstrap behind the intervals: a draw takes as many clusters as there are, with replacement.

A cluster is a document, a prompt or a package. Clusters are drawn with all their rows, since rows of the same
cluster are not independent.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray

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
