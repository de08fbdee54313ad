"""Labels beside edge classes, from stored atoms alone; and what is in *unknown* when rest is taken out.

Labels overlap where classes do not: a row labelled *previous* may hold most of its mass on sources that are
induction targets too (class `open`), and then it says as little about position as about content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from polyhead.attention.edge_classes import CLASSES, class_masses
from polyhead.attention.labels import TAXONOMIES, UNKNOWN, Atoms, Definitions, read_atoms

REST = ("bos", "eos")
LEAST_AWAKE = 0.05
"""A row with less mass than this outside of rest is taken as it is: there is nothing to look at in it."""
KEYS = ["taxonomy", "label"]
Labels = Mapping[str, pd.Categorical]


def without_rest(atoms: Atoms) -> Atoms:
    """Take the mass on BOS and EOS out of every row, and scale the rest of the row up to 1.

    A row with less than `LEAST_AWAKE` of its mass elsewhere stays as it is.
    """
    awake = np.where(atoms.membership([REST])[:, 0], 0, atoms.masses)
    left = awake.sum(1, keepdims=True)
    scaled = awake / left.clip(LEAST_AWAKE)
    return replace(atoms, masses=np.where(left < LEAST_AWAKE, atoms.masses, scaled).astype(awake.dtype))


def label_edges(tables: Iterable[pa.Table], definitions: Definitions) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read all rows of a head once.

    Args:
        tables: rows with their atoms, some at a time.
        definitions: threshold and taxonomies.

    Returns:
        label_edges.csv: taxonomy, label, rows, share (of all rows), edges (a class), mass (mean over the
        label's rows); labels by falling number of rows.
        unknown_without_rest.csv: taxonomy, label (of a row that the taxonomy leaves *unknown*, when the mass
        on rest is taken out), rows, share (of these unknown rows), by falling number of rows.
    """
    sums, renamed = [], []
    for table in tables:
        atoms = read_atoms(table)
        labels = definitions.labels(atoms)
        sums.append(class_sums(atoms, labels))
        renamed.append(renamed_rows(atoms, labels, definitions))
    return _edges_table(_added(sums)), _renamed_table(_added(renamed))


def class_sums(atoms: Atoms, labels: Labels) -> pd.DataFrame:
    """Return rows, and the sum of the mass on every class, for each taxonomy and label that occurs."""
    masses = pd.DataFrame(class_masses(atoms).astype(float), columns=list(CLASSES)).assign(rows=1)
    return pd.concat({name: masses.groupby(of.astype(str)).sum() for name, of in labels.items()}, names=KEYS)


def renamed_rows(atoms: Atoms, labels: Labels, definitions: Definitions) -> pd.DataFrame:
    """Count the labels that unknown rows have without rest, for each taxonomy."""
    counts = {}
    for name, of in labels.items():
        rows = replace(atoms, masses=atoms.masses[np.asarray(of == UNKNOWN)])
        renamed = TAXONOMIES[name](without_rest(rows), definitions.threshold)
        counts[name] = pd.Series(renamed.astype(str)).value_counts().to_frame("rows")
    return pd.concat(counts, names=KEYS)


def _added(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Add the parts up, for each taxonomy and label; labels by falling number of rows."""
    added = pd.concat(parts).groupby(level=KEYS, sort=False).sum()
    order = {name: place for place, name in enumerate(added.index.unique("taxonomy"))}
    added = added.reset_index().sort_values("rows", ascending=False, kind="stable")
    return added.sort_values("taxonomy", key=lambda names: names.map(order), kind="stable")


def _edges_table(sums: pd.DataFrame) -> pd.DataFrame:
    columns = [*KEYS, "rows", "share", "edges", "mass"]
    shared = _with_shares(sums)
    table = shared.melt([*KEYS, "rows", "share"], list(CLASSES), "edges", "mass", ignore_index=False)
    table = table.assign(mass=table["mass"] / table["rows"])
    return table.loc[shared.index].reset_index(drop=True)[columns]


def _renamed_table(counts: pd.DataFrame) -> pd.DataFrame:
    return _with_shares(counts).reset_index(drop=True)[[*KEYS, "rows", "share"]]


def _with_shares(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(share=table["rows"] / table.groupby("taxonomy")["rows"].transform("sum"))
