"""Elementary behaviours: predicates on a pair (destination i, source j ≤ i) of one prompt.

Adding a behaviour is adding one function to the registry. Predicates may overlap (a previous token can be an
induction target); `atoms` keeps what overlaps apart: every pair belongs to exactly one atom, the set of
behaviours that hold for it, written as a bitmask over the registry's order.

Definitions follow the post (Janiak, Mathwin, Heimersheim 2023), made exact here:
`t` are the prompt's tokens, `t[0]` is BOS, every earlier copy of a token counts for induction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Int32, UInt16
from numpy import ndarray

Pairs = Bool[ndarray, "dest src"]


@dataclass(frozen=True)
class Context:
    """What predicates may look at: one prompt, its tokens' indent widths, the special tokens, the window.

    `indent` is the width of a "newline + spaces" token and −1 for any other token.
    """

    tokens: Int[ndarray, " pos"]
    indent: Int[ndarray, " pos"]
    eos: int
    window: int

    @property
    def dest(self) -> Int[ndarray, "pos 1"]:
        """Destination positions as a column."""
        return np.arange(len(self.tokens), dtype=np.int32)[:, None]

    @property
    def src(self) -> Int[ndarray, "1 pos"]:
        """Source positions as a row."""
        return np.arange(len(self.tokens), dtype=np.int32)[None, :]


BEHAVIOURS: dict[str, Callable[[Context], Pairs]] = {}


def behaviour(predicate: Callable[[Context], Pairs]) -> Callable[[Context], Pairs]:
    """Register a predicate under its function's name; its bit is its place in the registry."""
    BEHAVIOURS[predicate.__name__] = predicate
    return predicate


@behaviour
def bos(c: Context) -> Pairs:
    """Source is the first position."""
    return np.broadcast_to(c.src == 0, (len(c.tokens),) * 2)


@behaviour
def eos(c: Context) -> Pairs:
    """Source is an EOS token, not at the first position."""
    return np.broadcast_to((c.src > 0) & (c.tokens == c.eos)[None, :], (len(c.tokens),) * 2)


@behaviour
def previous(c: Context) -> Pairs:
    """Source is one of the `window` positions before the destination, and not the first position."""
    distance = c.dest - c.src
    return (distance >= 1) & (distance <= c.window) & (c.src >= 1)


@behaviour
def induction(c: Context) -> Pairs:
    """Source is right after an earlier copy of the destination token; the copy is not at position 0."""
    after_copy = np.zeros((len(c.tokens),) * 2, dtype=bool)
    after_copy[:, 2:] = c.tokens[:, None] == c.tokens[None, 1:-1]
    return after_copy & (c.src < c.dest)


@behaviour
def current(c: Context) -> Pairs:
    """Source is the destination itself."""
    return c.src == c.dest


@behaviour
def duplicate(c: Context) -> Pairs:
    """Source is an earlier copy of the destination token, not at position 0."""
    return (c.tokens[:, None] == c.tokens[None, :]) & (c.src < c.dest) & (c.src >= 1)


def _both_indents(c: Context) -> Pairs:
    return (c.indent >= 0)[:, None] & (c.indent >= 0)[None, :] & (c.src < c.dest)


@behaviour
def indent_bigger(c: Context) -> Pairs:
    """Both are newline + spaces; the earlier one, the source, is wider."""
    return _both_indents(c) & (c.indent[None, :] > c.indent[:, None])


@behaviour
def indent_same(c: Context) -> Pairs:
    """Both are newline + spaces of the same width."""
    return _both_indents(c) & (c.indent[None, :] == c.indent[:, None])


@behaviour
def indent_smaller(c: Context) -> Pairs:
    """Both are newline + spaces; the earlier one, the source, is narrower."""
    return _both_indents(c) & (c.indent[None, :] < c.indent[:, None])


def atoms(context: Context) -> UInt16[ndarray, "dest src"]:
    """Return for every pair the bitmask of the behaviours that hold; 0 where none does, or src > dest."""
    masks = np.zeros((len(context.tokens),) * 2, dtype=np.uint16)
    for bit, predicate in enumerate(BEHAVIOURS.values()):
        masks |= predicate(context).astype(np.uint16) << np.uint16(bit)
    return np.tril(masks)


@dataclass(frozen=True)
class SparseAtoms:
    """The pairs of one prompt for which at least one behaviour holds, and the atom each belongs to."""

    dest: Int32[ndarray, " pair"]
    src: Int32[ndarray, " pair"]
    atom: Int32[ndarray, " pair"]
    masks: UInt16[ndarray, " atom"]


def sparse_atoms(context: Context) -> SparseAtoms:
    """List the pairs with a behaviour; the many pairs without one are what is left of a row's mass."""
    dense = atoms(context)
    dest, src = np.nonzero(dense)
    masks, atom = np.unique(dense[dest, src], return_inverse=True)
    return SparseAtoms(dest.astype(np.int32), src.astype(np.int32), atom.astype(np.int32), masks)
