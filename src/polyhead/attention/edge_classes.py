"""Edge classes: every pair of a destination and a source it can see is in exactly one.

Behaviours overlap (an induction target can stand right before its destination); causal questions need parts
that do not, or what is cut counts twice. A pair is in the first class that holds:

`rest`: the source is BOS or EOS, the head rests.
`current`: the source is the destination.
`open`: *previous*, and also one of *induction*, *duplicate*, *indent*: position or content, nobody can tell.
`previous`, `induction`, `duplicate`: that behaviour.
`indent`: both are newline-and-indent tokens, of different widths (equal tokens are duplicates).
`other`: nothing that the study has a name for.

Four of them are behaviours that a head can have; the others speak for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Integer, UInt8
from numpy import ndarray

from polyhead.attention.behaviours import BEHAVIOURS, Context, sparse_atoms
from polyhead.attention.labels import Atoms

CLASSES = ("rest", "current", "open", "previous", "induction", "duplicate", "indent", "other")
"""In the order of their codes."""
CLASS_BEHAVIOURS = ("previous", "induction", "duplicate", "indent")
"""The classes that a head can be said to do."""
NONE = len(CLASSES)
"""Code of a row that no class dominates."""
FIRST = 16
"""First destination that counts: before it, *previous* reaches nearly everything."""


def edge_classes(
    masks: Integer[ndarray, "*pairs"], behaviours: Sequence[str] = tuple(BEHAVIOURS)
) -> UInt8[ndarray, "*pairs"]:
    """Return the code of the class of each bitmask of behaviours, whose bits are in the order given."""

    def holds(*names: str) -> ndarray:
        return (masks & masks.dtype.type(sum(1 << behaviours.index(name) for name in names))) != 0

    indent = ("indent_bigger", "indent_smaller")
    near = holds("previous") & holds("induction", "duplicate", *indent)
    tests = [holds("bos", "eos"), holds("current"), near, holds("previous"), holds("induction")]
    tests += [holds("duplicate"), holds(*indent)]
    return np.select(tests, np.arange(len(tests), dtype=np.uint8), np.uint8(CLASSES.index("other")))


Partition = Callable[[Context], UInt8[ndarray, "dest src"]]
"""Gives the class of every pair of one prompt: `class_matrix`, or one that puts a rival into it."""
CODE_OF_MASK = edge_classes(np.arange(1 << len(BEHAVIOURS)))


def class_matrix(context: Context) -> UInt8[ndarray, "dest src"]:
    """Return the class of every pair of one prompt; sources after their destination have no meaning."""
    n, pairs = len(context.tokens), sparse_atoms(context)
    codes = np.full((n, n), CLASSES.index("other"), np.uint8)
    codes[pairs.dest, pairs.src] = CODE_OF_MASK[pairs.mask]
    return codes


def class_masses(atoms: Atoms) -> Float[ndarray, "row class"]:
    """Return each row's mass on each class, from stored atoms alone."""
    codes = edge_classes(atoms.masks, atoms.behaviours)
    return atoms.masses @ (codes[:, None] == np.arange(len(CLASSES))).astype(atoms.masses.dtype)


def dominating(masses: Float[ndarray, "*rows class"]) -> UInt8[ndarray, "*rows"]:
    """Return the class that holds at least half of each row's mass, or `NONE`; of two equals, the first."""
    half = masses >= 0.5
    return np.where(half.any(-1), half.argmax(-1), NONE).astype(np.uint8)
