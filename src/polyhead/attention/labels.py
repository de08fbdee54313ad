"""Labels of rows, computed from the stored rows alone: another threshold or taxonomy does not need the model.

A taxonomy is a list of labels, each a set of behaviours. A row gets the first label whose behaviours together
hold at least τ of its mass, else `unknown`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float, Int
from numpy import ndarray

from polyhead.errors import PolyheadError
from polyhead.files import read_chunks

UNKNOWN = "unknown"
LARGEST_MIX = 3
TOLERANCE = 1e-6
"""A row in float32 sums to 1 only up to rounding; a mass that is this little below τ counts as τ."""

POST = {
    "inactive": ("bos", "eos"),
    "previous": ("previous",),
    "previous+induction": ("previous", "induction"),
}
"""The post's taxonomy, in the order in which its labels are tried."""


@dataclass(frozen=True)
class Atoms:
    """The mass of rows on each atom: disjoint sets of pairs, named by the bitmask of their behaviours."""

    masses: Float[ndarray, "row atom"]
    masks: Int[ndarray, " atom"]
    behaviours: tuple[str, ...]

    def union_mass(self, sets: Sequence[Sequence[str]]) -> Float[ndarray, "row set"]:
        """Return each row's mass on the union of each set of behaviours: a sum of atoms."""
        bits = [sum(1 << self.behaviours.index(name) for name in names) for names in sets]
        member = (self.masks[:, None] & np.array(bits, np.int64)) != 0
        return self.masses @ member.astype(self.masses.dtype)


def read_atoms(table: pa.Table) -> Atoms:
    """Read the atoms from a table of rows."""
    names = [name for name in table.column_names if name.startswith("atom_")]
    masses = np.stack([table[name].to_numpy() for name in names], axis=1)
    behaviours = tuple(json.loads(table.schema.metadata[b"behaviours"]))
    return Atoms(masses, np.array([int(name.removeprefix("atom_")) for name in names]), behaviours)


def first_reaching(masses: Float[ndarray, "row label"], threshold: float) -> Int[ndarray, " row"]:
    """Return the first label whose mass reaches τ in each row; the number of labels where none does."""
    enough = masses >= threshold - TOLERANCE
    return np.where(enough.any(1), enough.argmax(1), masses.shape[1])


def post_labels(atoms: Atoms, threshold: float) -> pd.Categorical:
    """Label rows by the post's three behaviours."""
    return post_labels_of(atoms.union_mass(list(POST.values())), threshold)


def post_labels_of(masses: Float[ndarray, "row label"], threshold: float) -> pd.Categorical:
    """Return the first of the post's labels whose mass reaches τ in each row, else `unknown`."""
    return pd.Categorical.from_codes(first_reaching(masses, threshold), [*POST, UNKNOWN])


def extended_labels(atoms: Atoms, threshold: float) -> pd.Categorical:
    """Label rows by the smallest mix of at most three behaviours that reaches τ; of several, the heaviest.

    A label is the names of its behaviours, joined by `+`, in the registry's order.
    """
    return smallest_mix(*best_mixes(atoms), threshold)


def best_mixes(atoms: Atoms) -> tuple[Float[ndarray, "row size"], Int[ndarray, "row size"], list[str]]:
    """Find, for every row and every size of mix, the mix with the largest mass.

    Of mixes with equal mass (up to rounding) the first is taken.

    Returns:
        The largest masses, the mixes as places among the names, and the names, the first of them `unknown`.
    """
    masses, mixes, names = [], [], [UNKNOWN]
    for size in range(1, min(LARGEST_MIX, len(atoms.behaviours)) + 1):
        sets = list(combinations(atoms.behaviours, size))
        mass = np.round(atoms.union_mass(sets), 6)
        masses.append(mass.max(1))
        mixes.append(len(names) + mass.argmax(1))
        names += map("+".join, sets)
    return np.stack(masses, 1), np.stack(mixes, 1), names


def smallest_mix(
    masses: Float[ndarray, "row size"],
    mixes: Int[ndarray, "row size"],
    names: Sequence[str],
    threshold: float,
) -> pd.Categorical:
    """Return, of each row's best mixes by size, the smallest that reaches τ, else `unknown`."""
    codes = np.append(mixes, np.zeros((len(mixes), 1), mixes.dtype), 1)
    reached = first_reaching(masses, threshold)
    return pd.Categorical.from_codes(codes[np.arange(len(codes)), reached], names)


TAXONOMIES = {"post": post_labels, "extended": extended_labels}


@dataclass(frozen=True)
class Definitions:
    """What a study calls a behaviour and a label: K, τ, and the taxonomies (all of them by default).

    Rows depend on `window` alone; functions that make or read rows take no more than that.
    """

    window: int
    threshold: float
    taxonomies: Sequence[str] = tuple(TAXONOMIES)

    def __post_init__(self) -> None:
        if unknown := [one for one in self.taxonomies if one not in TAXONOMIES]:
            raise PolyheadError(f"no taxonomy {unknown[0]!r}; there are {', '.join(TAXONOMIES)}")
        if not 0 < self.threshold <= 1:
            raise PolyheadError(f"threshold: {self.threshold} given; it is above 0 and at most 1")
        if self.window < 1 or self.window != int(self.window):
            raise PolyheadError(f"window: {self.window} given; it is a whole number from 1 on")

    def labels(self, atoms: Atoms) -> dict[str, pd.Categorical]:
        """Label rows in every taxonomy."""
        return {name: TAXONOMIES[name](atoms, self.threshold) for name in self.taxonomies}


def label_table(table: pa.Table, taxonomies: Sequence[str], threshold: float) -> pd.DataFrame:
    """Label every row of a table of rows.

    Columns: prompt, position, token, top_source, and one categorical column per taxonomy.
    """
    atoms = read_atoms(table)
    labels = {name: TAXONOMIES[name](atoms, threshold) for name in taxonomies}
    return table.select(["prompt", "position", "token", "top_source"]).to_pandas().assign(**labels)


def label_shards(
    paths: Sequence[Path | str], taxonomies: Sequence[str], threshold: float
) -> Iterator[pa.Table]:
    """Yield tables of labels for the rows of each shard, which are read in chunks.

    Label columns are dictionary-encoded, with the same dictionary in every shard.

    Raises:
        PolyheadError: a shard cannot be read.
    """
    for path in paths:
        parts = [label_table(table, taxonomies, threshold) for table in read_chunks(path)]
        yield pa.Table.from_pandas(pd.concat(parts), preserve_index=False).replace_schema_metadata()
