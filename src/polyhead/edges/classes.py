"""Edge classes: every pair of a destination and a source it can see is in exactly one.

Behaviours overlap (an induction target can stand right before its destination); causal questions need parts
that do not, or what is cut counts twice.

`sink`: the source is BOS or EOS.
`current`: the source is the destination.
For all other pairs, up to four kinds of behaviour hold: *previous*, *line_start*, *induction*, and
*duplicate or indent* (duplicate: equal tokens, or two indentation tokens of equal width; indent: two of
different width).
`ambiguous`: two or more of the four hold.
`previous`, `line_start`, `induction`, `duplicate`, `indent`: that one alone holds.
`other`: none holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8, UInt16
from numpy import ndarray

from polyhead.attention.behaviours import BEHAVIOURS, Context, sparse_atoms
from polyhead.attention.labels import Atoms

CLASS_BEHAVIOURS = ("previous", "line_start", "induction", "duplicate", "indent")
"""The classes that a head can be said to do."""
CLASSES = ("sink", "current", "ambiguous", *CLASS_BEHAVIOURS, "other")
"""In the order of their codes."""
NONE, NO_CLASS = len(CLASSES), "none"
"""Code and name of what stands for the class of a row that no class dominates."""
FIRST = 16
"""First destination that counts: before it, *previous* reaches nearly everything."""


def edge_behaviours(
    masks: Integer[ndarray, " pair"], behaviours: Sequence[str] = tuple(BEHAVIOURS)
) -> Bool[ndarray, "pair behaviour"]:
    """Return which of `CLASS_BEHAVIOURS` hold for pairs, given as bitmasks; at most one of the last two.

    None holds where the source is BOS, EOS or the destination.
    """
    duplicate = _holds(masks, behaviours, "duplicate", "indent_same")
    indent = _holds(masks, behaviours, "indent_bigger", "indent_smaller") & ~duplicate
    near = [_holds(masks, behaviours, name) for name in CLASS_BEHAVIOURS[:3]]
    return (
        np.stack([*near, duplicate, indent], 1) & ~_holds(masks, behaviours, "bos", "eos", "current")[:, None]
    )


def edge_classes(
    masks: Integer[ndarray, " pair"], behaviours: Sequence[str] = tuple(BEHAVIOURS)
) -> UInt8[ndarray, " pair"]:
    """Return the code of the class of pairs, given as bitmasks with one bit for each of `behaviours`."""
    held = edge_behaviours(masks, behaviours)
    tests = [_holds(masks, behaviours, "bos", "eos"), _holds(masks, behaviours, "current"), held.sum(1) >= 2]
    codes = np.arange(len(CLASSES), dtype=np.uint8)
    return np.select([*tests, *held.T], codes[:-1], codes[-1])


def _holds(
    masks: Integer[ndarray, " pair"], behaviours: Sequence[str], *names: str
) -> Bool[ndarray, " pair"]:
    return (masks & masks.dtype.type(sum(1 << behaviours.index(name) for name in names))) != 0


MASKS = np.arange(1 << len(BEHAVIOURS))
CODE_OF_MASK = edge_classes(MASKS)
BEHAVIOURS_OF_MASK = edge_behaviours(MASKS)


def mask_matrix(context: Context) -> UInt16[ndarray, "dest src"]:
    """Return the bitmask of behaviours of every pair of one prompt; 0 for sources after their destination."""
    pairs, masks = sparse_atoms(context), np.zeros((len(context.tokens),) * 2, np.uint16)
    masks[pairs.dest, pairs.src] = pairs.mask
    return masks


def class_matrix(context: Context) -> UInt8[ndarray, "dest src"]:
    """Return the class of every pair of one prompt; sources after their destination have no meaning."""
    return CODE_OF_MASK[mask_matrix(context)]


def class_masses(atoms: Atoms) -> Float[ndarray, "row class"]:
    """Return each row's mass on each class, from stored atoms alone."""
    codes = edge_classes(atoms.masks, atoms.behaviours)
    return atoms.masses @ (codes[:, None] == np.arange(len(CLASSES))).astype(atoms.masses.dtype)


def dominating(masses: Float[ndarray, "*rows class"]) -> UInt8[ndarray, "*rows"]:
    """Return the class that holds at least half of each row's mass, or `NONE`; of two equals, the first."""
    half = masses >= 0.5
    return np.where(half.any(-1), half.argmax(-1), NONE).astype(np.uint8)
