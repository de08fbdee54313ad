"""How the shares of labels depend on the two numbers in their definition: threshold τ and window K.

Computed from the stored rows alone. Another τ only changes which masses are large enough; for another K the
mass on `previous` is summed again from the weights on the nearest sources, the columns `recent_<d>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float, Int
from numpy import ndarray

from polyhead.attention.labels import POST, TOLERANCE, UNKNOWN, Atoms, best_mixes, mix_names, read_atoms
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


def post_counts(
    masses: Float[ndarray, "row label"], thresholds: Sequence[float]
) -> Int[ndarray, "threshold label_or_unknown"]:
    """Count the rows of each of the post's labels, `unknown` last, at each threshold."""
    counts = []
    for threshold in thresholds:
        enough = masses >= threshold - TOLERANCE
        first = np.where(enough.any(1), enough.argmax(1), len(POST))
        counts.append(np.bincount(first, minlength=len(POST) + 1))
    return np.stack(counts)


def extended_counts(atoms: Atoms, thresholds: Sequence[float]) -> Int[ndarray, "threshold label"]:
    """Count the rows of every mix, in the order of `best_mixes`, at each threshold."""
    mass, code, names = best_mixes(atoms)
    counts = []
    for threshold in thresholds:
        reached = mass >= threshold - TOLERANCE
        chosen = np.where(reached.any(1), code[np.arange(len(code)), reached.argmax(1)], 0)
        counts.append(np.bincount(chosen, minlength=len(names)))
    return np.stack(counts)


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
    post = np.zeros((len(windows), len(thresholds), len(POST) + 1), np.int64)
    extended: np.ndarray | int = 0
    names: list[str] = []
    for table in chain.from_iterable(map(read_chunks, paths)):
        atoms = read_atoms(table)
        post += [post_counts(post_masses(table, atoms, k), thresholds) for k in windows]
        if "extended" in taxonomies:
            extended = extended + extended_counts(atoms, thresholds)
            names = mix_names(atoms.behaviours)
    parts = [
        _lines("post", k, thresholds, [*POST, UNKNOWN], counts)
        for k, counts in zip(windows, post, strict=True)
        if "post" in taxonomies
    ]
    if names:
        parts.append(_lines("extended", window, thresholds, names, np.asarray(extended)))
    return pd.concat(parts, ignore_index=True)


def _lines(
    taxonomy: str,
    window: int,
    thresholds: Sequence[float],
    names: Sequence[str],
    counts: Int[ndarray, "threshold label"],
) -> pd.DataFrame:
    step, label = np.nonzero(counts)
    rows = counts[step, label]
    lines = {
        "taxonomy": taxonomy,
        "previous_window": window,
        "threshold": np.asarray(thresholds)[step],
        "label": np.asarray(names)[label],
        "rows": rows,
        "share": rows / counts.sum(1)[step],
    }
    return pd.DataFrame(lines)[COLUMNS]
