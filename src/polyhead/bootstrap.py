"""The bootstrap behind every interval: whole prompts, drawn with replacement as often as there are prompts.

Rows of one prompt are not independent, so a prompt is drawn with all its rows or not at all.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray

INTERVAL = (2.5, 97.5)
BLOCK = 512
"""Prompts whose weights are in memory at a time."""


class PromptWeights:
    """How often each prompt occurs in each draw, a block of prompts at a time.

    How many prompts a draw takes from each block is multinomial; so is, that given, how often each prompt of
    the block occurs. Together these are draws with replacement from all prompts, and the weights of any block
    can be had without those of the others.
    """

    def __init__(self, prompts: int, draws: int, seed: int) -> None:
        """Lay out the weights of `prompts` prompts in `draws` draws."""
        self.draws, self.seed = draws, seed
        self.sizes = np.diff(np.append(np.arange(0, prompts, BLOCK), prompts))
        self.taken = np.random.default_rng(seed).multinomial(prompts, self.sizes / prompts, size=draws)
        self.block = lru_cache(maxsize=2)(self._block)

    def _block(self, number: int) -> Float[ndarray, "prompt draw"]:
        """Return the weights of prompts `number` · BLOCK and following."""
        rng, size = np.random.default_rng([self.seed, number]), self.sizes[number]
        return rng.multinomial(self.taken[:, number], np.full(size, 1 / size)).T.astype(np.float32)


def prompt_weights(prompts: int, draws: int, seed: int) -> Float[ndarray, "draw prompt"]:
    """Return how often each prompt occurs in each bootstrap draw, of all prompts at once."""
    weights = PromptWeights(prompts, draws, seed)
    return np.concatenate([weights.block(number) for number in range(len(weights.sizes))]).T


def interval(values: Float[ndarray, "column draw"]) -> Float[ndarray, "side column"]:
    """Return the 95 % percentile interval (low, high) over draws; draws without a value are left out."""
    return np.nanpercentile(values, INTERVAL, axis=1)
