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
from jaxtyping import Float, Int
from numpy import ndarray

from polyhead.attention.labels import (
    POST,
    UNKNOWN,
    Atoms,
    best_mixes,
    first_reaching,
    mix_names,
    read_atoms,
    smallest_mix,
)
from polyhead.attention.rows import LARGEST_WINDOW
from polyhead.files import read_chunks

THRESHOLDS = tuple(round(0.80 + 0.01 * step, 2) for step in range(20))
WINDOWS = tuple(range(1, LARGEST_WINDOW + 1))
COLUMNS = ["taxonomy", "previous_window", "threshold", "label", "rows", "share"]


def post_masses(table: pa.Table, atoms: Atoms, window: int) -> Float[ndarray, "row label"]:
    """Return the masses of the post's three labels for any window, not only that of the stored rows.

    A source that is both previous and induction counts once in previous+induction.
    """
    recent = np.stack([table[f"recent_{d}"].to_numpy() for d in range(1, window + 1)], 1)
    flags = table["recent_induction"].to_numpy()[:, None] >> np.arange(window, dtype=np.uint8) & 1
    inactive, induction = atoms.union_mass([POST["inactive"], ("induction",)]).T
    previous = recent.sum(1)
    return np.stack([inactive, previous, previous + induction - (recent * flags).sum(1)], 1)


def sensitivity(
    paths: Sequence[Path | str],
    window: int,
    taxonomies: Sequence[str],
    thresholds: Sequence[float] = THRESHOLDS,
    windows: Sequence[int] = WINDOWS,
) -> pd.DataFrame:
    """Tabulate the shares of labels over thresholds and windows, reading a head's shards in chunks.

    `post` is tabulated at every window and threshold, `extended` at every threshold for the study's own
    window.

    Returns:
        taxonomy, previous_window, threshold, label, rows, share; labels that never occur left out.
    """
    counts: dict[tuple[str, int, float], Int[ndarray, " label"]] = {}
    names = {"post": [*POST, UNKNOWN]}
    for table in chain.from_iterable(map(read_chunks, paths)):
        atoms = read_atoms(table)
        names["extended"] = mix_names(atoms.behaviours)
        for case, codes in _codes(table, atoms, window, taxonomies, thresholds, windows):
            counts[case] = counts.get(case, 0) + np.bincount(codes, minlength=len(names[case[0]]))
    lines = [
        (*case, names[case[0]][code], found[code], found[code] / found.sum())
        for case, found in sorted(counts.items(), key=lambda item: (item[0][0] != "post", *item[0][1:]))
        for code in np.flatnonzero(found)
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def _codes(
    table: pa.Table,
    atoms: Atoms,
    window: int,
    taxonomies: Sequence[str],
    thresholds: Sequence[float],
    windows: Sequence[int],
) -> Iterator[tuple[tuple[str, int, float], Int[ndarray, " row"]]]:
    """Yield every case (taxonomy, window, threshold) and the labels of some rows in it, as numbers."""
    for k in windows if "post" in taxonomies else ():
        masses = post_masses(table, atoms, k)
        yield from ((("post", k, threshold), first_reaching(masses, threshold)) for threshold in thresholds)
    if "extended" in taxonomies:
        masses, mixes, _ = best_mixes(atoms)
        for threshold in thresholds:
            yield ("extended", window, threshold), smallest_mix(masses, mixes, threshold)
