"""How the shares of labels depend on the two numbers in their definition: threshold τ and window K.

Computed from the stored rows alone. Another τ only changes which masses are large enough; for another K the
mass on `previous` is summed again from the weights on the nearest sources, the columns `recent_<d>`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float
from numpy import ndarray

from polyhead.attention.labels import POST, Atoms, best_mixes, post_labels_of, read_atoms, smallest_mix
from polyhead.attention.rows import LARGEST_WINDOW
from polyhead.files import read_chunks

THRESHOLDS = tuple(round(0.80 + 0.01 * step, 2) for step in range(20))
WINDOWS = tuple(range(1, LARGEST_WINDOW + 1))
COLUMNS = ["taxonomy", "previous_window", "threshold", "label", "rows", "share"]

Case = tuple[str, int, float]
"""Taxonomy, window and threshold."""


def post_masses(table: pa.Table, atoms: Atoms, window: int) -> Float[ndarray, "row label"]:
    """Return the masses of the post's three labels for any window, not only that of the stored rows.

    A source that is both previous and induction counts once in previous+induction.
    """
    recent = np.stack([table[f"recent_{d}"].to_numpy() for d in range(1, window + 1)], 1)
    flags = table["recent_induction"].to_numpy()[:, None] >> np.arange(window, dtype=np.uint8) & 1
    inactive, induction = atoms.union_mass([POST["inactive"], ("induction",)]).T
    previous = recent.sum(1)
    return np.stack([inactive, previous, previous + induction - (recent * flags).sum(1)], 1)


def sensitivity(paths: Sequence[Path | str], window: int, taxonomies: Sequence[str]) -> pd.DataFrame:
    """Tabulate the shares of labels over thresholds and windows, reading a head's shards in chunks.

    Columns: taxonomy, previous_window, threshold, label, rows, share; labels that never occur are left out.
    `post` is tabulated at every window and threshold, `extended` at every threshold for the study's own
    window.
    """
    counts: dict[Case, pd.Series] = {}
    for table in chain.from_iterable(map(read_chunks, paths)):
        for case, labels in _labels(table, window, taxonomies):
            counts[case] = counts.get(case, 0) + labels.value_counts()
    lines = [
        (*case, label, rows, rows / found.sum())
        for case, found in sorted(counts.items(), key=lambda item: (item[0][0] != "post", *item[0][1:]))
        for label, rows in found[found > 0].items()
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def _labels(table: pa.Table, window: int, taxonomies: Sequence[str]) -> Iterator[tuple[Case, pd.Categorical]]:
    """Yield the labels of some rows in every case."""
    atoms = read_atoms(table)
    for k in WINDOWS if "post" in taxonomies else ():
        masses = post_masses(table, atoms, k)
        yield from ((("post", k, threshold), post_labels_of(masses, threshold)) for threshold in THRESHOLDS)
    if "extended" in taxonomies:
        best = best_mixes(atoms)
        for threshold in THRESHOLDS:
            yield ("extended", window, threshold), smallest_mix(*best, threshold)
