"""Rivals of a behaviour: what else its edges could be, to hold a verdict against.

Line starts get a class of their own. `open` speaks for nothing, so they take its code, and the pairs that
were `open` are `other`. Places beside an earlier copy, others than the one after it, say what chance gives.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from polyhead.attention.behaviours import Context, Pairs
from polyhead.attention.edge_classes import CLASSES, class_matrix

RIVAL = "open"
"""The class whose place a rival takes."""
OFFSETS = (-2, -1, 2, 3, 4, 5)
"""Places beside an earlier copy of the destination token that no induction head looks at (that is 1)."""


def line_starts(context: Context) -> Pairs:
    """Return the pairs whose source is the last newline token before the destination, not at position 0."""
    newlines = 1 + np.flatnonzero(context.indent[1:] >= 0)
    dest = np.arange(len(context.tokens))
    last = np.searchsorted(newlines, dest) - 1
    return dest[last >= 0], newlines[last[last >= 0]]


def line_start_partition(context: Context) -> UInt8[ndarray, "dest src"]:
    """Return the class of every pair; the token that opens the destination's line is `RIVAL`, before all."""
    codes = class_matrix(context)
    codes[codes == CLASSES.index("open")] = CLASSES.index("other")
    codes[line_starts(context)] = CLASSES.index(RIVAL)
    return codes


def beside_copies(
    context: Context, offset: int, classes: UInt8[ndarray, "dest src"]
) -> Bool[ndarray, "dest src"]:
    """Return the pairs whose source lies `offset` after an earlier copy and has no class of its own.

    They are about as many and as far apart as those of induction, at most, and no copy explains attention to
    them. `classes` are those of the prompt's pairs, as `class_matrix` gives them.
    """
    dest, copy = context.copies
    seen = (copy + offset >= 1) & (copy + offset < dest)
    pairs = np.zeros((len(context.tokens), len(context.tokens)), bool)
    pairs[dest[seen], copy[seen] + offset] = True
    return pairs & (classes == CLASSES.index("other"))
