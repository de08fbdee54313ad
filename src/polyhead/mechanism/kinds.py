"""Kinds of rows: how rows are named, and for which of their sources.

Two ways stand side by side: the labels of one of the study's taxonomies, and the class of edges (`edges`)
that dominates the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt16
from numpy import ndarray
from torch import Tensor

from polyhead.attention.behaviours import BEHAVIOURS, SparseAtoms
from polyhead.attention.labels import POST, TAXONOMIES, UNKNOWN, Atoms, mix_names
from polyhead.attention.rows import atom_masses
from polyhead.edges.classes import CLASSES, CODE_OF_MASK, class_masses, dominating

EDGES, NO_CLASS = "edges", "none"
UNNAMED = (UNKNOWN, NO_CLASS, "other", "ambiguous")
"""Kinds that are no behaviour: that one loses rows of them says nothing about how something is done."""
NOT_DONE = {"bos", "eos", "current", "sink", "inactive"}
"""Resting, and attending to one's own token: what they are named for is no behaviour."""
MASKS = np.arange(1 << len(BEHAVIOURS))


@dataclass(frozen=True)
class Naming:
    """One way to name rows.

    `sources` says, for every name and every bitmask of behaviours, whether rows of this name are named for
    sources that have it; rows that are named for none (*unknown*) have no such bitmask.
    """

    name: str
    labels: tuple[str, ...]
    sources: Bool[ndarray, "label mask"]
    codes: Callable[[Atoms], Int[ndarray, " row"]]


def naming(name: str, threshold: float) -> Naming:
    """Return the naming by a taxonomy, or by the dominating class (`edges`)."""
    if name == EDGES:
        codes = np.arange(len(CLASSES) + 1)
        return Naming(name, (*CLASSES, NO_CLASS), codes[:, None] == CODE_OF_MASK, _dominating)
    labels = (*POST, UNKNOWN) if name == "post" else tuple(mix_names(tuple(BEHAVIOURS)))
    sources = np.stack([_any_of(_behaviours(label)) for label in labels])
    return Naming(name, labels, sources, partial(_labels, name, threshold))


def speaks(label: str) -> bool:
    """Return whether rows of a label show a behaviour: not that they rest, or that nothing names them."""
    return label not in UNNAMED and not {*label.split("+")} <= NOT_DONE


def _behaviours(label: str) -> Sequence[str]:
    return POST[label] if label in POST else [] if label == UNKNOWN else label.split("+")


def _any_of(behaviours: Sequence[str]) -> Bool[ndarray, " mask"]:
    return MASKS & sum(1 << list(BEHAVIOURS).index(name) for name in behaviours) != 0


def _labels(name: str, threshold: float, atoms: Atoms) -> Int[ndarray, " row"]:
    return np.asarray(TAXONOMIES[name](atoms, threshold).codes, np.int64)


def _dominating(atoms: Atoms) -> Int[ndarray, " row"]:
    return dominating(class_masses(atoms)).astype(np.int64)


def row_codes(
    pattern: Float[Tensor, "pattern dest src"], pairs: SparseAtoms, namings: Sequence[Naming], rows: slice
) -> Int[ndarray, "naming pattern row"]:
    """Name some destinations of several patterns on one prompt."""
    masks = np.unique(np.append(pairs.mask, np.uint16(0)))
    masses = atom_masses(pattern, pairs, masks)[..., rows]
    atoms = Atoms(
        masses.transpose(0, 2, 1).reshape(-1, len(masks)), masks.astype(np.int64), tuple(BEHAVIOURS)
    )
    return np.stack([naming.codes(atoms).reshape(len(pattern), -1) for naming in namings])


def mask_matrix(pairs: SparseAtoms, positions: int) -> UInt16[ndarray, "dest src"]:
    """Return the bitmask of the behaviours that hold for every pair of one prompt."""
    matrix = np.zeros((positions, positions), np.uint16)
    matrix[pairs.dest, pairs.src] = pairs.mask
    return matrix


def named_sources(
    naming: Naming, codes: Int[ndarray, " row"], masks: UInt16[ndarray, "row src"]
) -> Bool[Tensor, "row src"]:
    """Return the sources that every row is named for."""
    return torch.from_numpy(naming.sources[codes[:, None], masks])
