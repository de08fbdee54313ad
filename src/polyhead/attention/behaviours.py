"""Elementary behaviours: predicates on a pair (destination i, source j ≤ i) of one prompt.

To add a behaviour, add one function to the registry; it returns the pairs for which the behaviour holds.
Predicates may overlap (a previous token can be an induction target). `sparse_atoms` therefore assigns every
pair to exactly one atom: the set of all behaviours that hold for it, as a bitmask whose bits follow the
registry's order.

Definitions follow the post (Janiak, Mathwin, Heimersheim 2023), made exact here:
`t` are the prompt's tokens, `t[0]` is BOS, every earlier copy of a token counts for induction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int, UInt16
from numpy import ndarray

Pairs = tuple[Int[ndarray, " pair"], Int[ndarray, " pair"]]
"""Destination and source positions of pairs, source ≤ destination, each pair once."""


@dataclass(frozen=True)
class Context:
    """What predicates may use: one prompt, the indent widths of its tokens, the EOS token, and the window.

    `indent` is the width of a "newline + spaces" token and −1 for any other token.
    """

    tokens: Int[ndarray, " pos"]
    indent: Int[ndarray, " pos"]
    eos: int
    window: int

    def at_distance(self, distance: int) -> Pairs:
        """Return the pairs whose source lies exactly `distance` before the destination."""
        dest = np.arange(distance, len(self.tokens))
        return dest, dest - distance

    def from_all(self, sources: Int[ndarray, " src"]) -> Pairs:
        """Return, for each source, the pairs with every destination from the source on."""
        seen = len(self.tokens) - sources
        return np.repeat(sources, seen) + ragged_range(seen), np.repeat(sources, seen)

    @cached_property
    def copies(self) -> Pairs:
        """Return the pairs whose source is an earlier copy of the destination token, not at position 0."""
        order = 1 + np.argsort(self.tokens[1:], kind="stable")
        in_order = self.tokens[order]
        group = np.searchsorted(in_order, in_order)
        before = np.arange(len(order)) - group
        return np.repeat(order, before), order[np.repeat(group, before) + ragged_range(before)]

    @cached_property
    def indent_pairs(self) -> Pairs:
        """Return the pairs of "newline + spaces" tokens whose source comes before the destination."""
        at = np.flatnonzero(self.indent >= 0)
        later, earlier = np.tril_indices(len(at), -1)
        return at[later], at[earlier]

    def indents_where(self, holds: Callable[[ndarray, ndarray], ndarray]) -> Pairs:
        """Return the indent pairs for which `holds(source width, destination width)`."""
        dest, src = self.indent_pairs
        kept = holds(self.indent[src], self.indent[dest])
        return dest[kept], src[kept]


def ragged_range(lengths: Int[ndarray, " run"]) -> Int[ndarray, " total"]:
    """Return 0 … length − 1 for each of the lengths, concatenated."""
    return np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)


BEHAVIOURS: dict[str, Callable[[Context], Pairs]] = {}


def behaviour(predicate: Callable[[Context], Pairs]) -> Callable[[Context], Pairs]:
    """Register a predicate under the name of its function; its bit is its position in the registry."""
    BEHAVIOURS[predicate.__name__] = predicate
    return predicate


@behaviour
def bos(c: Context) -> Pairs:
    """Source is the first position."""
    return c.from_all(np.array([0]))


@behaviour
def eos(c: Context) -> Pairs:
    """Source is an EOS token, not at the first position."""
    return c.from_all(1 + np.flatnonzero(c.tokens[1:] == c.eos))


@behaviour
def previous(c: Context) -> Pairs:
    """Source is one of the `window` positions before the destination, and not the first position."""
    reach = np.minimum(c.window, np.maximum(np.arange(len(c.tokens)) - 1, 0))
    dest = np.repeat(np.arange(len(c.tokens)), reach)
    return dest, dest - 1 - ragged_range(reach)


@behaviour
def induction(c: Context) -> Pairs:
    """Source is right after an earlier copy of the destination token; the copy is not at position 0."""
    dest, copy = c.copies
    earlier = copy + 1 < dest
    return dest[earlier], copy[earlier] + 1


@behaviour
def current(c: Context) -> Pairs:
    """Source is the destination itself."""
    return c.at_distance(0)


@behaviour
def duplicate(c: Context) -> Pairs:
    """Source is an earlier copy of the destination token, not at position 0."""
    return c.copies


@behaviour
def indent_bigger(c: Context) -> Pairs:
    """Both are newline + spaces; the earlier one, the source, is wider."""
    return c.indents_where(np.greater)


@behaviour
def indent_same(c: Context) -> Pairs:
    """Both are newline + spaces of the same width."""
    return c.indents_where(np.equal)


@behaviour
def indent_smaller(c: Context) -> Pairs:
    """Both are newline + spaces; the earlier one, the source, is narrower."""
    return c.indents_where(np.less)


@dataclass(frozen=True)
class SparseAtoms:
    """The pairs of one prompt for which at least one behaviour holds, and the atom of each pair."""

    dest: Int[ndarray, " pair"]
    src: Int[ndarray, " pair"]
    mask: UInt16[ndarray, " pair"]


def sparse_atoms(context: Context) -> SparseAtoms:
    """Return the pairs for which a behaviour holds, sorted by destination and source, with their bitmasks.

    Pairs without a behaviour are not listed; their mass is one minus the mass of the listed pairs.
    """
    n = len(context.tokens)
    masks = np.zeros(n * n, np.uint16)
    for bit, predicate in enumerate(BEHAVIOURS.values()):
        dest, src = predicate(context)
        masks[dest * n + src] |= np.uint16(1 << bit)
    cell = np.flatnonzero(masks != 0)
    return SparseAtoms(*np.divmod(cell, n), masks[cell])
