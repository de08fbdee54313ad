"""Labels are pure functions of stored rows: change a threshold or a taxonomy, and the model is not needed.

A taxonomy gives a row the first label whose set of behaviours has a union mass ≥ τ, else `unknown`.
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
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from polyhead.files import read_chunks

UNKNOWN = "unknown"
LARGEST_MIX = 3
TOLERANCE = 1e-6
"""A float32 row sums to 1 only within rounding; a mass this close below τ counts as τ."""

POST = {
    "inactive": ("bos", "eos"),
    "previous": ("previous",),
    "previous+induction": ("previous", "induction"),
}
"""The post's taxonomy, in the order in which its labels are tried."""


@dataclass(frozen=True)
class Atoms:
    """Rows as masses on disjoint atoms; an atom is the bitmask of the behaviours that hold on it."""

    masses: Float[ndarray, "row atom"]
    masks: Int[ndarray, " atom"]
    behaviours: tuple[str, ...]

    def membership(self, sets: Sequence[Sequence[str]]) -> Bool[ndarray, "atom set"]:
        """Say which atoms lie in the union of each set of behaviours."""
        bits = [sum(1 << self.behaviours.index(name) for name in names) for names in sets]
        return (self.masks[:, None] & np.array(bits, np.int64)[None, :]) != 0

    def union_mass(self, sets: Sequence[Sequence[str]]) -> Float[ndarray, "row set"]:
        """Return each row's mass on the union of each set of behaviours: a sum of atoms."""
        return self.masses @ self.membership(sets).astype(self.masses.dtype)


def read_atoms(table: pa.Table) -> Atoms:
    """Take the atoms out of a table of rows."""
    names = [name for name in table.column_names if name.startswith("atom_")]
    masses = np.stack([table[name].to_numpy() for name in names], axis=1)
    behaviours = tuple(json.loads(table.schema.metadata[b"behaviours"]))
    return Atoms(masses, np.array([int(name.removeprefix("atom_")) for name in names]), behaviours)


def post_labels(atoms: Atoms, threshold: float) -> pd.Categorical:
    """Label rows by the post's three behaviours."""
    enough = atoms.union_mass(list(POST.values())) >= threshold - TOLERANCE
    names = [*POST, UNKNOWN]
    first = np.where(enough.any(1), enough.argmax(1), len(POST))
    return pd.Categorical.from_codes(first, names)


def mix_names(behaviours: Sequence[str]) -> list[str]:
    """Return `unknown` and the name of every mix of at most `LARGEST_MIX` behaviours, small mixes first."""
    sizes = range(1, min(LARGEST_MIX, len(behaviours)) + 1)
    return [UNKNOWN, *("+".join(mix) for size in sizes for mix in combinations(behaviours, size))]


def best_mixes(atoms: Atoms) -> tuple[Float[ndarray, "row size"], Int[ndarray, "row size"], list[str]]:
    """Return, for every row and size, the mass of the mix with most mass, its place in the names, the names.

    A tie in mass (to within rounding) goes to the mix that comes first.
    """
    names = mix_names(atoms.behaviours)
    masses, codes, first = [], [], 1
    for size in range(1, min(LARGEST_MIX, len(atoms.behaviours)) + 1):
        mass = np.round(atoms.union_mass(list(combinations(atoms.behaviours, size))), 6)
        best = mass.argmax(1)
        masses.append(mass[np.arange(len(best)), best])
        codes.append(first + best)
        first += mass.shape[1]
    return np.stack(masses, 1), np.stack(codes, 1), names


def extended_labels(atoms: Atoms, threshold: float) -> pd.Categorical:
    """Label rows by the smallest mix of at most three behaviours that reaches τ; among equals, most mass.

    Names are the behaviours joined by `+`, in the registry's order.
    """
    mass, code, names = best_mixes(atoms)
    reached = mass >= threshold - TOLERANCE
    chosen = np.where(reached.any(1), code[np.arange(len(code)), reached.argmax(1)], 0)
    return pd.Categorical.from_codes(chosen, names)


TAXONOMIES = {"post": post_labels, "extended": extended_labels}


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
    """Yield the labels of each shard, whose rows are read some at a time.

    Label columns are dictionary-encoded, with the same dictionary in every shard.

    Raises:
        PolyheadError: a shard cannot be read.
    """
    for path in paths:
        parts = [label_table(table, taxonomies, threshold) for table in read_chunks(path)]
        yield pa.Table.from_pandas(pd.concat(parts), preserve_index=False).replace_schema_metadata()
