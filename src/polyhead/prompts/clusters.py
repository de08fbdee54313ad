"""Which rows are not independent: the document that each position of a prompt is from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int
from numpy import ndarray

from polyhead.files import read_parquet

STRIDE = 2**32
"""More than any number of positions, so that prompt × `STRIDE` + position orders all rows."""


@dataclass(frozen=True)
class Clustering:
    """The cluster of every row of a study, numbered from 0, looked up where clusters begin.

    `begins` are the places, prompt × `STRIDE` + position, at which a cluster's rows begin, sorted; `codes`
    the clusters. Memory grows with the number of documents, not of rows.
    """

    begins: Int[ndarray, " place"]
    codes: Int[ndarray, " place"]

    @property
    def count(self) -> int:
        """The number of clusters."""
        return int(self.codes.max()) + 1

    def of(self, prompt: Int[ndarray, " row"], position: Int[ndarray, " row"]) -> Int[ndarray, " row"]:
        """Return the cluster of each row."""
        place = prompt.astype(np.int64) * STRIDE + position
        return self.codes[np.searchsorted(self.begins, place, side="right") - 1]

    def dense(self, prompts: int, positions: int) -> Int[ndarray, "prompt pos"]:
        """Return the clusters of the first prompts' rows, numbered anew from 0 in the same order."""
        prompt, position = np.divmod(np.arange(prompts * positions), positions)
        codes = np.unique(self.of(prompt, position), return_inverse=True)[1]
        return codes.reshape(prompts, positions)


def read_clustering(path: Path | str, count: int | None = None) -> Clustering:
    """Read the documents of a study's first prompts, or of all, from `prompts.parquet`.

    Where the sample does not say which documents a prompt holds, every prompt is a cluster.

    Raises:
        PolyheadError: the file is missing or damaged.
    """
    prompts = read_parquet(path, ["prompt"], 0, count)
    if not {"documents", "starts"} <= set(pq.read_schema(path).names):
        return prompts_as_clusters(len(prompts))
    return documents_as_clusters(read_parquet(path, ["documents", "starts"], 0, count))


def prompts_as_clusters(prompts: int) -> Clustering:
    """Return every prompt as a cluster of its own."""
    return Clustering(np.arange(prompts) * STRIDE, np.arange(prompts))


def documents_as_clusters(table: pa.Table) -> Clustering:
    """Return the documents of prompts, from the lists `documents` and `starts`.

    A document begins at its start and ends where the next one begins; what is before the first belongs to it.
    """
    documents, starts = table["documents"].to_pylist(), table["starts"].to_pylist()
    begins = [
        prompt * STRIDE + (start if place else 0)
        for prompt, of_prompt in enumerate(starts)
        for place, start in enumerate(of_prompt)
    ]
    return Clustering(np.array(begins), np.unique(np.concatenate(documents), return_inverse=True)[1])
