"""How the labels are distributed over rows: over all, and over single destination tokens.

Rows are read in chunks, twice: once to count them, once to count them in every bootstrap draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import coo_array

from polyhead.bootstrap import BLOCK, PromptWeights, interval
from polyhead.chunks import Chunks, prompt_numbers
from polyhead.tokens import ALL

COLUMNS = ["taxonomy", "token_label", "behaviour", "rows", "share", "ci_low", "ci_high"]
LARGEST_PASS = 2048
"""Pairs of group and label whose draws are in memory at a time; for more, the rows are read again."""

Groups = Callable[[pd.DataFrame], Int[ndarray, " row"]]
"""Says for every row of a chunk which group it belongs to."""


def distribution(
    labels: Chunks, names: Sequence[str], taxonomies: Sequence[str], minimum: int, draws: int, seed: int
) -> pd.DataFrame:
    """Tabulate shares of every label with intervals, for all rows and every frequent destination token.

    Args:
        labels: prompt, position, token and one categorical column per taxonomy.
        names: label of every token id.
        taxonomies: columns to tabulate.
        minimum: destination tokens with fewer rows than this have no lines of their own.
        draws: bootstrap draws.
        seed: seed of the bootstrap.

    Returns:
        taxonomy, token_label (`all` or a label), behaviour, rows, share, ci_low, ci_high; tokens by falling
        frequency, behaviours that never occur for a token left out.
    """
    return _tabulate(labels, names, destination_tokens, taxonomies, minimum, draws, seed)


def destination_tokens(chunk: pd.DataFrame) -> Int[ndarray, " row"]:
    """Put rows into groups by their destination token."""
    return chunk["token"].to_numpy()


def distribution_by_kind(
    labels: Chunks, kinds: pd.Series, taxonomies: Sequence[str], draws: int, seed: int
) -> pd.DataFrame:
    """Tabulate shares of every label by the kind of source that a prompt comes from.

    Args:
        labels: prompt, position, token and one categorical column per taxonomy.
        kinds: kind of every prompt (code, prose …), by prompt number.
        taxonomies: columns to tabulate.
        draws: bootstrap draws, of whole prompts.
        seed: seed of the bootstrap.

    Returns:
        taxonomy, kind (`all`, then kinds by falling frequency), behaviour, rows, share, ci_low, ci_high.
    """
    kinds = kinds.astype("category")
    codes, names = kinds.cat.codes, list(kinds.cat.categories)

    def kind_of(chunk: pd.DataFrame) -> Int[ndarray, " row"]:
        return codes.loc[chunk["prompt"]].to_numpy()

    table = _tabulate(labels, names, kind_of, taxonomies, 1, draws, seed)
    return table.rename(columns={"token_label": "kind"})


def _tabulate(
    labels: Chunks,
    names: Sequence[str],
    group_of: Groups,
    taxonomies: Sequence[str],
    minimum: int,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    numbers = prompt_numbers(labels)
    weights = PromptWeights(len(numbers), draws, seed)
    parts = []
    for taxonomy in taxonomies:
        counts, behaviours = count_labels(labels, taxonomy, group_of, len(names))
        for groups in _passes(counts, minimum):
            drawn = draw_counts(labels, taxonomy, group_of, _columns(counts, groups), numbers, weights)
            for group in groups:
                some, drawn = np.split(drawn, [np.count_nonzero(counts[group])])
                name = names[group] if group < len(names) else ALL
                shares = _shares(counts[group], some, behaviours)
                parts.append(shares.assign(taxonomy=taxonomy, token_label=name))
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def count_labels(
    labels: Chunks, taxonomy: str, group_of: Groups, groups: int
) -> tuple[Int[ndarray, "group label"], pd.Index]:
    """Count the rows of every group and label, and name the labels; the last group is all rows together."""
    counts: ndarray | int = 0
    names = pd.Index([])
    for chunk in labels():
        names = chunk[taxonomy].cat.categories
        place = group_of(chunk).astype(np.int64) * len(names) + chunk[taxonomy].cat.codes.to_numpy()
        counts = counts + np.bincount(place, minlength=groups * len(names)).reshape(groups, -1)
    return np.vstack([counts, np.sum(counts, 0)]), names


def draw_counts(
    labels: Chunks,
    taxonomy: str,
    group_of: Groups,
    columns: Int[ndarray, "group label"],
    numbers: Int[ndarray, " prompt"],
    weights: PromptWeights,
) -> Float[ndarray, "column draw"]:
    """Count rows in every bootstrap draw, for pairs of group and label that have a column (others: −1).

    `numbers` are those of all prompts, sorted; their places in it are the prompts' places in the weights.
    """
    drawn = np.zeros((columns.max() + 1, weights.draws), np.float32)
    for chunk in labels():
        place = np.searchsorted(numbers, chunk["prompt"].to_numpy())
        codes = chunk[taxonomy].cat.codes.to_numpy()
        column = np.concatenate([columns[group_of(chunk), codes], columns[-1, codes]])
        place = np.tile(place, 2)
        for block in np.unique(place // BLOCK):
            rows = (place // BLOCK == block) & (column >= 0)
            shape = len(drawn), weights.sizes[block]
            ones = np.ones(np.count_nonzero(rows), np.float32)
            counts = coo_array((ones, (column[rows], place[rows] - block * BLOCK)), shape).tocsr()
            drawn += counts @ weights.block(int(block))
    return drawn


def _passes(counts: Int[ndarray, "group label"], minimum: int) -> Iterator[list[int]]:
    """Yield all rows' group and the frequent ones, by falling frequency, as many at once as may be drawn."""
    rows, labels = counts[:-1].sum(1), np.count_nonzero(counts, axis=1)
    frequent = [int(k) for k in np.argsort(-rows, kind="stable") if rows[k] >= minimum]
    groups, drawn = [], 0
    for group in [len(rows), *frequent]:
        if groups and drawn + labels[group] > LARGEST_PASS:
            yield groups
            groups, drawn = [], 0
        groups.append(group)
        drawn += labels[group]
    yield groups


def _columns(counts: Int[ndarray, "group label"], groups: list[int]) -> Int[ndarray, "group label"]:
    """Number the pairs of these groups and their labels, group by group; −1 for all others."""
    columns = np.full(counts.shape, -1)
    group, label = np.nonzero(counts[groups])
    columns[np.array(groups)[group], label] = np.arange(len(group))
    return columns


def _shares(
    counts: Int[ndarray, " label"], drawn: Float[ndarray, "occurring draw"], names: pd.Index
) -> pd.DataFrame:
    rows = counts[counts > 0]
    low, high = share_intervals(drawn)
    columns = {"behaviour": names[counts > 0], "rows": rows, "share": rows / rows.sum()}
    return pd.DataFrame({**columns, "ci_low": low, "ci_high": high})


def share_intervals(drawn: Float[ndarray, "label draw"]) -> Float[ndarray, "side label"]:
    """Return the 95 % percentile interval (low, high) of each label's share of rows.

    A share is a ratio of sums over prompts; draws in which no row occurs are left out.
    """
    with np.errstate(invalid="ignore"):
        return interval(drawn / drawn.sum(0))


def shown_tokens(
    table: pd.DataFrame, named: Sequence[str], frequent: int, unlike: int, taxonomy: str
) -> list[str]:
    """Choose the destination tokens a figure shows: those named, the most frequent, the most unlike `all`.

    Unlikeness is the total variation distance between a token's shares and those of all rows.
    """
    shares = table[table["taxonomy"] == taxonomy].pivot_table(
        index="token_label", columns="behaviour", values="share", fill_value=0.0, observed=True, sort=False
    )
    distance = (shares - shares.loc[ALL]).abs().sum(1) / 2
    others = [name for name in shares.index if name != ALL]
    chosen = [name for name in named if name in others]
    chosen += [name for name in others if name not in chosen][:frequent]
    rest = [name for name in others if name not in chosen]
    chosen += sorted(rest, key=lambda name: (-distance[name], name))[:unlike]
    return [ALL, *chosen]
