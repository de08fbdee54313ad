"""Elementary behaviours: predicates on a pair (destination i, source j ≤ i) of one prompt.

To add a behaviour, add one function to the registry; it returns the pairs for which the behaviour holds.
Predicates may overlap (a previous token can be an induction target). `sparse_atoms` therefore assigns every
pair to exactly one atom: the set of all behaviours that hold for it, as a bitmask whose bits follow the
registry's order.

Definitions follow the post (Janiak, Mathwin, Heimersheim 2023), made exact here:
`t` are the prompt's tokens, `t[0]` is BOS, every earlier copy of a token counts for induction.

Lines are defined for any tokenizer. A token breaks the line if its text contains a newline (`⏎[·×3]`, but
also `):⏎`). It and the tokens of spaces, tabs and newlines alone right after it are a run; the run's last
token is the line's indentation token. `line_indents` finds them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int, UInt16
from numpy import ndarray

from polyhead.model.vocabulary import Vocabulary

NO_RUN, IN_RUN = -1, -2
"""In place of a width: the token is in no run; it is in a run, but not its last token."""
TAB = 8
"""A tab goes to the next multiple of so many columns, as in Python's own tokenizer."""

Pairs = tuple[Int[ndarray, " pair"], Int[ndarray, " pair"]]
"""Destination and source positions of pairs, source ≤ destination, each pair once."""


@dataclass(frozen=True)
class Context:
    """What predicates may use: one prompt, the indents of its lines, the EOS token, and the window.

    `indent` is the line's width at its indentation token, `IN_RUN` at other tokens of a run, else `NO_RUN`.
    """

    tokens: Int[ndarray, " pos"]
    indent: Int[ndarray, " pos"]
    eos: int
    window: int

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
        """Return the pairs of indentation tokens whose source comes before the destination."""
        at = np.flatnonzero(self.indent >= 0)
        later, earlier = np.tril_indices(len(at), -1)
        return at[later], at[earlier]

    def indents_where(self, holds: Callable[[ndarray, ndarray], ndarray]) -> Pairs:
        """Return the indent pairs for which `holds(source width, destination width)`."""
        dest, src = self.indent_pairs
        kept = holds(self.indent[src], self.indent[dest])
        return dest[kept], src[kept]


def line_indents(tokens: Int[ndarray, " pos"], vocabulary: Vocabulary) -> Int[ndarray, " pos"]:
    """Return the width of each line at its indentation token, `IN_RUN` or `NO_RUN` at all other tokens.

    The width is the line's leading whitespace in the text: what follows the run's last newline, and the
    leading spaces of the token after the run. So `⏎[·×3]` before `·a` and `⏎[·×4]` before `5` are equally
    deep. Where the prompt ends with the run, a width above 0 is taken to have one more space.
    """
    breaks, blank = vocabulary.breaks[tokens], vocabulary.blank[tokens]
    breaks[:1] = False
    place = np.arange(len(tokens))
    last_break = np.maximum.accumulate(np.where(breaks, place, -1))
    in_run = last_break > np.maximum.accumulate(np.where(breaks | blank, -1, place))
    indent = np.where(in_run, IN_RUN, NO_RUN)
    for end in np.flatnonzero(in_run & np.append(~blank[1:], True)):
        run = "".join(vocabulary.texts[token] for token in tokens[last_break[end] : end + 1])
        after = "".join(vocabulary.texts[token] for token in tokens[end + 1 : end + 2])
        line = run.rpartition("\n")[2] + after
        width = len(line[: len(line) - len(line.lstrip(" \t"))].expandtabs(TAB))
        indent[end] = width + (width > 0 and end + 1 == len(tokens))
    return indent


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
    place = np.arange(len(c.tokens))
    return place, place


@behaviour
def duplicate(c: Context) -> Pairs:
    """Source is an earlier copy of the destination token, not at position 0."""
    return c.copies


@behaviour
def indent_bigger(c: Context) -> Pairs:
    """Both are indentation tokens; the earlier one, the source, is of a wider line."""
    return c.indents_where(np.greater)


@behaviour
def indent_same(c: Context) -> Pairs:
    """Both are indentation tokens, of lines of the same width."""
    return c.indents_where(np.equal)


@behaviour
def indent_smaller(c: Context) -> Pairs:
    """Both are indentation tokens; the earlier one, the source, is of a narrower line."""
    return c.indents_where(np.less)


@behaviour
def line_start(c: Context) -> Pairs:
    """Source is the indentation token that opens the destination's line; the destination is in no run.

    It is the last one before the destination, with no EOS between; the first visible line has none.
    """
    place = np.arange(len(c.tokens))
    opening = np.maximum.accumulate(np.where(c.indent >= 0, place, 0))
    last_eos = np.maximum.accumulate(np.where(c.tokens == c.eos, place, 0))
    dest = np.flatnonzero((c.indent == NO_RUN) & (opening > np.append(0, last_eos[:-1])))
    return dest, opening[dest]


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
