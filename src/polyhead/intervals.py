"""95 % intervals over prompts."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import binomtest

from polyhead.bootstrap import INTERVAL, prompt_weights


def mean_intervals(
    values: Float[ndarray, "prompt column"], draws: int, seed: int
) -> Float[ndarray, "side column"]:
    """Return the percentile interval (low, high) of each column's mean, from draws of whole prompts."""
    weights = prompt_weights(len(values), draws, seed)
    return np.percentile(weights @ values / len(values), INTERVAL, axis=0)


def ratio_intervals(
    sums: Float[ndarray, "prompt column"], counts: Float[ndarray, "prompt column"], draws: int, seed: int
) -> Float[ndarray, "side column"]:
    """Return the percentile interval of Σ sums / Σ counts per column; draws without a count are left out."""
    weights = prompt_weights(len(sums), draws, seed)
    with np.errstate(invalid="ignore"):
        return np.nanpercentile((weights @ sums) / (weights @ counts), INTERVAL, axis=0)


def share_interval(hits: Bool[ndarray, " prompt"]) -> tuple[float, float]:
    """Return Wilson's score interval of the share of prompts that hit.

    A bootstrap of "all prompts" or "none" has no width, which would claim too much.
    """
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
