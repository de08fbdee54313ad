"""Means of very many columns with intervals, in memory that does not grow with the text.

Sums are added up for the whole and for every draw of the bootstrap while the text is read; what is kept of a
document is how often each draw takes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from numpy import ndarray

from polyhead.stats import INTERVAL, LEAST_CLUSTERS, LEAST_ROWS, cluster_weights, joint_intervals

DOCUMENTS_AT_ONCE = 64


@dataclass(frozen=True)
class Estimates:
    """Means of every kind's columns, overall and in every draw, and how many rows they are from."""

    means: Float[ndarray, "kind column"]
    draws: Float[ndarray, "draw kind column"]
    rows: Int[ndarray, " kind"]
    documents: Int[ndarray, " kind"]

    @property
    def enough(self) -> Bool[ndarray, " kind"]:
        """Kinds with `LEAST_ROWS` rows from `LEAST_CLUSTERS` documents."""
        return (self.rows >= LEAST_ROWS) & (self.documents >= LEAST_CLUSTERS)

    def intervals(self) -> Float[ndarray, "side kind column"]:
        """Return low and high of every mean; NaN where rows or documents are too few."""
        sides = np.full((2, *self.means.shape), np.nan)
        if self.enough.any():
            sides[:, self.enough] = np.nanpercentile(self.draws[:, self.enough], INTERVAL, axis=0)
        return sides

    def joint(self) -> Float[ndarray, "side kind column"]:
        """Return low and high that hold for all means of all kinds together."""
        sides = np.full((2, *self.means.shape), np.nan)
        if self.enough.any():
            means, draws = self.means[self.enough], self.draws[:, self.enough]
            found = joint_intervals(means.ravel(), draws.reshape(len(draws), -1))
            sides[:, self.enough] = found.reshape(2, *means.shape)
        return sides

    def less(self, column: int) -> Estimates:
        """Return the differences of all columns from one of them, draw by draw."""
        means = self.means - self.means[:, column, None]
        draws = self.draws - self.draws[:, :, column, None]
        return Estimates(means, draws, self.rows, self.documents)

    def lost(self, column: int) -> Estimates:
        """Return what is lost of one column in all columns, as shares of it, draw by draw."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = 1 - self.means / self.means[:, column, None]
            draws = 1 - self.draws / self.draws[:, :, column, None]
        return Estimates(means, draws, self.rows, self.documents)


class RunningMeans:
    """Σ sums / Σ counts of every kind's columns; documents are clusters of the bootstrap, numbered from 0."""

    def __init__(self, kinds: int, columns: int, documents: int, n_resamples: int, seed: int) -> None:
        self.weights = cluster_weights(documents, n_resamples, seed)
        self.sums = np.zeros((1 + n_resamples, kinds, columns), np.float32)
        self.counts = np.zeros((1 + n_resamples, kinds))
        self.rows = np.zeros((documents, kinds), np.int32)
        self.waiting: list[tuple[Int[ndarray, " document"], ndarray, ndarray]] = []

    def add(
        self,
        documents: Int[ndarray, " row"],
        kinds: Int[ndarray, " row"],
        values: Float[ndarray, "row column"],
    ) -> None:
        """Add rows, each of one kind and from one document."""
        some, place = np.unique(documents, return_inverse=True)
        shape = (len(some), *self.sums.shape[1:])
        cells = np.arange(shape[0] * shape[1])[:, None] == place * shape[1] + kinds
        counts = cells.sum(1).reshape(shape[:2])
        self.add_sums(some, (cells.astype(np.float32) @ values).reshape(shape), counts, counts)

    def add_sums(
        self,
        documents: Int[ndarray, " document"],
        sums: Float[ndarray, "document kind column"],
        counts: Real[ndarray, "document kind"],
        rows: Real[ndarray, "document kind"],
    ) -> None:
        """Add sums over rows of some documents, each named once; `rows` are those that `enough` goes by."""
        np.add.at(self.rows, documents, rows.astype(np.int32))
        self.waiting.append((documents, sums, counts))
        if sum(len(some) for some, *_ in self.waiting) >= DOCUMENTS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if not self.waiting:
            return
        documents, sums, counts = (np.concatenate(parts) for parts in zip(*self.waiting, strict=True))
        weights = np.concatenate([np.ones((1, len(documents)), np.float32), self.weights[:, documents]])
        flat = sums.reshape(len(sums), sums.shape[1] * sums.shape[2])
        self.sums += (weights @ flat).reshape(self.sums.shape)
        self.counts += weights @ counts
        self.waiting = []

    def estimates(self) -> Estimates:
        """Return the means of all that was added."""
        self._flush()
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self.sums / self.counts[..., None]
        return Estimates(means[0], means[1:], self.rows.sum(0), (self.rows > 0).sum(0))
