"""How the labels are distributed over rows: over all, and over single destination tokens.

Rows of one prompt are not independent, so intervals come from a bootstrap that draws whole prompts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from polyhead.tokens import ALL

COLUMNS = ["taxonomy", "token_label", "behaviour", "rows", "share", "ci_low", "ci_high"]
INTERVAL = (2.5, 97.5)


def prompt_weights(prompts: int, draws: int, seed: int) -> Float[ndarray, "draw prompt"]:
    """Return how often each prompt occurs in each bootstrap draw."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=draws).astype(np.float32)


def share_intervals(
    counts: Float[ndarray, "prompt label"], weights: Float[ndarray, "draw prompt"]
) -> tuple[Float[ndarray, " label"], Float[ndarray, " label"]]:
    """Return the 95 % percentile interval of each label's share of rows.

    A share is a ratio of sums over prompts; draws in which no row occurs are left out.
    """
    drawn = weights @ counts
    totals = drawn.sum(1, keepdims=True)
    shares = drawn[totals[:, 0] > 0] / totals[totals[:, 0] > 0]
    low, high = np.percentile(shares, INTERVAL, axis=0)
    return low, high


def distribution(
    labels: pd.DataFrame, names: Sequence[str], taxonomies: Sequence[str], minimum: int, draws: int, seed: int
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
    groups = _groups(labels["token"].to_numpy(), names, minimum)
    return _tabulate(labels, groups, taxonomies, draws, seed)[COLUMNS]


def distribution_by_kind(
    labels: pd.DataFrame, kinds: pd.Series, taxonomies: Sequence[str], draws: int, seed: int
) -> pd.DataFrame:
    """Tabulate shares of every label by the kind of source that a prompt comes from.

    Args:
        labels: prompt, position, token and one categorical column per taxonomy.
        kinds: kind of every prompt (code, prose …), by prompt number.
        taxonomies: columns to tabulate.
        draws: bootstrap draws, of whole prompts.
        seed: seed of the bootstrap.

    Returns:
        taxonomy, kind (`all` or a kind), behaviour, rows, share, ci_low, ci_high.
    """
    kind = kinds.loc[labels["prompt"]].to_numpy()
    groups = [(ALL, slice(None)), *((name, np.flatnonzero(kind == name)) for name in sorted(set(kind)))]
    table = _tabulate(labels, groups, taxonomies, draws, seed)[COLUMNS]
    return table.rename(columns={"token_label": "kind"})


Groups = Sequence[tuple[str, slice | Int[ndarray, " _"]]]
"""Names of groups of rows, and the places of their rows."""


def _tabulate(
    labels: pd.DataFrame, groups: Groups, taxonomies: Sequence[str], draws: int, seed: int
) -> pd.DataFrame:
    prompt = pd.factorize(labels["prompt"], sort=True)[0]
    weights = prompt_weights(int(prompt.max()) + 1, draws, seed)
    parts = [
        _shares(labels[taxonomy].iloc[rows].cat, prompt[rows], weights).assign(
            taxonomy=taxonomy, token_label=name
        )
        for taxonomy in taxonomies
        for name, rows in groups
    ]
    return pd.concat(parts, ignore_index=True)


def _groups(tokens: Int[ndarray, " row"], names: Sequence[str], minimum: int) -> Groups:
    """Return `all` and each frequent token with the places of its rows, by falling frequency."""
    ids, counts = np.unique(tokens, return_counts=True)
    order = np.argsort(tokens, kind="stable")
    ends = counts.cumsum()
    frequent = [k for k in np.argsort(-counts, kind="stable") if counts[k] >= minimum]
    return [(ALL, slice(None)), *((names[ids[k]], order[ends[k] - counts[k] : ends[k]]) for k in frequent)]


def _shares(
    labels: pd.Series.cat, prompt: Int[ndarray, " row"], weights: Float[ndarray, "draw prompt"]
) -> pd.DataFrame:
    codes, names = labels.codes.to_numpy(), labels.categories
    flat = np.bincount(prompt * len(names) + codes, minlength=weights.shape[1] * len(names))
    counts = flat.reshape(-1, len(names)).astype(np.float32)
    occurs = counts.any(0)
    present = np.flatnonzero(counts.any(1))
    low, high = share_intervals(counts[np.ix_(present, occurs)], weights[:, present])
    rows = counts.sum(0, dtype=np.float64)[occurs].astype(int)
    return pd.DataFrame(
        {"behaviour": names[occurs], "rows": rows, "share": rows / rows.sum(), "ci_low": low, "ci_high": high}
    )


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
