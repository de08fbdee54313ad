"""What is in `unknown`: what the extended taxonomy makes of it, and where the rest of it looks.

For rows that no taxonomy names, the source token that received most attention is counted and set against how
often it was there to be attended to. A source with a high lift is a behaviour that nobody has defined yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int, Int32
from numpy import ndarray

from polyhead.distribution import ALL
from polyhead.files import read_parquet
from polyhead.labels import UNKNOWN

MIX_COLUMNS = ["token_label", "behaviour", "rows", "share"]
SOURCE_COLUMNS = ["token_label", "source_label", "rows", "share", "expected_share", "lift"]
SOURCES_PER_TOKEN = 10
FEWEST_ROWS = 5


def unknown_mixes(labels: pd.DataFrame, names: Sequence[str], minimum: int) -> pd.DataFrame:
    """Break the rows that are unknown to `post` down by their `extended` label.

    Args:
        labels: token and the categorical columns post and extended.
        names: label of every token id.
        minimum: destination tokens with fewer rows (of any label) than this are left out.

    Returns:
        token_label (`all`, then tokens by falling number of unknown rows), behaviour (the extended label,
        `unknown` where it too has none), rows, share (of the token's post-unknown rows).
    """
    unknown = labels[labels["post"] == UNKNOWN]
    frequent = labels["token"].value_counts().loc[lambda rows: rows >= minimum].index
    parts = [(ALL, unknown["extended"])]
    by_token = unknown[unknown["token"].isin(frequent)].groupby("token")["extended"]
    parts += sorted(((names[token], of) for token, of in by_token), key=lambda part: (-len(part[1]), part[0]))
    return pd.concat([_breakdown(name, behaviours) for name, behaviours in parts], ignore_index=True)


def _breakdown(name: str, behaviours: pd.Series) -> pd.DataFrame:
    rows = behaviours.value_counts().loc[lambda count: count > 0]
    columns = {"token_label": name, "behaviour": rows.index.astype(str), "rows": rows.to_numpy()}
    return pd.DataFrame({**columns, "share": rows.to_numpy() / max(len(behaviours), 1)})[MIX_COLUMNS]


def read_top_sources(paths: Sequence[Path | str]) -> Int32[ndarray, " row"]:
    """Return the source that received most, for every row of a head's shards, in the labels' order."""
    return np.concatenate([read_parquet(path, columns=["top_source"])["top_source"] for path in paths])


def unknown_sources(
    labels: pd.DataFrame,
    top_source: Int32[ndarray, " row"],
    prompts: Int[ndarray, "prompt pos"],
    names: Sequence[str],
    minimum: int,
) -> pd.DataFrame:
    """Count, for rows unknown to both taxonomies, the source tokens that receive most attention.

    Args:
        labels: prompt, position, token, post, extended; all rows.
        top_source: the source position that received most, for the same rows.
        prompts: tokens by prompt number.
        names: label of every token id.
        minimum: destination tokens with fewer rows than this are left out.

    Returns:
        token_label (`all` or a token), source_label, rows, share (of these rows whose largest weight lies on
        this token), expected_share (what it would be if every position in reach were as likely), lift (their
        ratio); the `SOURCES_PER_TOKEN` largest by rows, for sources with at least `FEWEST_ROWS` rows.
    """
    left = ((labels["post"] == UNKNOWN) & (labels["extended"] == UNKNOWN)).to_numpy()
    rows = labels.loc[left, ["prompt", "position", "token"]].to_numpy()
    source = prompts[rows[:, 0], top_source[left]]
    frequent = labels["token"].value_counts().loc[lambda count: count >= minimum].index
    order = np.argsort(rows[:, 2], kind="stable")
    bounds = np.searchsorted(rows[order, 2], np.stack([frequent, frequent + 1], 1))
    groups = [(ALL, order)]
    groups += [(names[token], order[slice(*of)]) for token, of in zip(frequent, bounds, strict=True)]
    occurrences = Occurrences(prompts)
    parts = [_lifts(name, rows[chosen], source[chosen], names, occurrences) for name, chosen in groups]
    return pd.concat(parts, ignore_index=True)[SOURCE_COLUMNS]


class Occurrences:
    """Where every token stands, to count how often it is in reach of a destination."""

    def __init__(self, prompts: Int[ndarray, "prompt pos"]):
        flat = prompts.reshape(-1)
        self.width = prompts.shape[1]
        self.order = np.argsort(flat, kind="stable")
        self.sorted = flat[self.order]

    def in_reach(
        self, token: int, prompt: Int[ndarray, " row"], position: Int[ndarray, " row"]
    ) -> Int[ndarray, " row"]:
        """Return how many of the positions 0 … position of each row's prompt hold the token."""
        places = self.order[slice(*np.searchsorted(self.sorted, [token, token + 1]))]
        start = prompt * self.width
        return np.searchsorted(places, start + position, "right") - np.searchsorted(places, start, "left")


def _lifts(
    name: str,
    rows: Int[ndarray, "row column"],
    source: Int[ndarray, " row"],
    names: Sequence[str],
    occurrences: Occurrences,
) -> pd.DataFrame:
    tokens, count = np.unique(source, return_counts=True)
    top = np.argsort(-count, kind="stable")[:SOURCES_PER_TOKEN]
    top = top[count[top] >= FEWEST_ROWS]
    prompt, position = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
    expected = [
        (occurrences.in_reach(token, prompt, position) / (position + 1)).mean()
        for token in tokens[top].tolist()
    ]
    table = pd.DataFrame({"source_label": [names[token] for token in tokens[top]], "rows": count[top]})
    table = table.assign(token_label=name, share=table["rows"] / max(len(rows), 1), expected_share=expected)
    return table.assign(lift=table["share"] / table["expected_share"])
