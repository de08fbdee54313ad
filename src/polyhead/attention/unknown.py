"""What the `unknown` rows attend to.

First, how the extended taxonomy labels the rows that `post` leaves unknown. Then, for rows unknown to both,
which source tokens receive the most attention, compared with how often these tokens were visible at all. A
source with a high ratio of the two (its lift) may be a behaviour that has no definition yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray
from scipy.sparse import coo_array, csr_array

from polyhead.attention.distribution import count_labels, destination_tokens
from polyhead.attention.labelled_rows import Chunks
from polyhead.attention.labels import UNKNOWN
from polyhead.model.vocabulary import ALL

MIX_COLUMNS = ["token_label", "label", "rows", "share"]
SOURCE_COLUMNS = ["token_label", "source_label", "rows", "share", "expected_share", "lift"]
SOURCES_PER_TOKEN = 10
FEWEST_ROWS = 5

ReadPrompts = Callable[[int, int], Int[ndarray, "prompt pos"]]
"""Takes the id of the first prompt and a number of prompts; returns their tokens."""


def unknown_mixes(labels: Chunks, names: Sequence[str], minimum: int) -> pd.DataFrame:
    """Count the rows that are unknown to `post` by their `extended` label.

    Args:
        labels: token and the categorical columns post and extended.
        names: label of every token id.
        minimum: destination tokens with fewer rows (of any label) than this are left out.

    Returns:
        token_label (`all`, then tokens by falling number of unknown rows), behaviour (the extended label,
        `unknown` where it too has none), rows, share (of the token's post-unknown rows).
    """
    counts, behaviours = count_labels(_unknown_to_post(labels), "extended", destination_tokens, len(names))
    unknown = counts.sum(1)
    frequent = np.flatnonzero((token_rows(labels, len(names)) >= minimum) & (unknown[:-1] > 0))
    order = sorted(frequent.tolist(), key=lambda token: (-unknown[token], names[token]))
    parts = [(ALL, counts[-1]), *((names[token], counts[token]) for token in order)]
    return pd.concat([_breakdown(name, of, behaviours) for name, of in parts], ignore_index=True)


def token_rows(labels: Chunks, tokens: int) -> Int[ndarray, " token"]:
    """Count the rows of every destination token."""
    counts = np.zeros(tokens, np.int64)
    for chunk in labels():
        counts += np.bincount(destination_tokens(chunk), minlength=tokens)
    return counts


def _unknown_to_post(labels: Chunks) -> Chunks:
    return lambda: (chunk[chunk["post"] == UNKNOWN] for chunk in labels())


def _breakdown(name: str, counts: Int[ndarray, " label"], behaviours: pd.Index) -> pd.DataFrame:
    order = [code for code in np.argsort(-counts, kind="stable") if counts[code]]
    columns = {"token_label": name, "label": behaviours[order].astype(str), "rows": counts[order]}
    return pd.DataFrame({**columns, "share": counts[order] / max(counts.sum(), 1)})[MIX_COLUMNS]


@dataclass(frozen=True)
class Left:
    """The rows of a chunk that are unknown to both taxonomies, sorted by destination token.

    Prompts are numbered from the first of the chunk.
    """

    prompts: Int[ndarray, "prompt pos"]
    prompt: Int[ndarray, " row"]
    position: Int[ndarray, " row"]
    token: Int[ndarray, " row"]
    source: Int[ndarray, " row"]
    """The source token with the largest weight."""

    def of(self, token: int) -> slice:
        """Return the slice with the rows of a destination token."""
        return slice(*np.searchsorted(self.token, [token, token + 1]))


def left_rows(labels: Chunks, prompts: ReadPrompts) -> Iterator[Left]:
    """Yield the rows that are unknown to both taxonomies, chunk by chunk."""
    for chunk in labels():
        first = int(chunk["prompt"].min())
        tokens = prompts(first, int(chunk["prompt"].max()) + 1 - first)
        left = chunk[(chunk["post"] == UNKNOWN) & (chunk["extended"] == UNKNOWN)]
        rows = left.sort_values("token", kind="stable")[["prompt", "position", "token", "top_source"]]
        prompt, position, token, source = rows.to_numpy(np.int64).T
        yield Left(tokens, prompt - first, position, token, tokens[prompt - first, source])


def unknown_sources(labels: Chunks, prompts: ReadPrompts, names: Sequence[str], minimum: int) -> pd.DataFrame:
    """Count the source tokens with the largest weight, over the rows that are unknown to both taxonomies.

    Args:
        labels: prompt, position, token, top_source (the source position that received most), post, extended.
        prompts: reads the tokens of prompts.
        names: label of every token id.
        minimum: destination tokens with fewer rows than this are left out.

    Returns:
        token_label (`all` or a token), source_label, rows, share (of the rows, those whose largest weight is
        on this source), expected_share (the share if all visible positions were equally likely), lift (share
        / expected_share); for each token the `SOURCES_PER_TOKEN` sources with most rows, at least
        `FEWEST_ROWS`.
    """
    size = len(names)
    counts = csr_array((size, size), dtype=np.int64)
    for left in left_rows(labels, prompts):
        ones = np.ones(len(left.token), np.int64)
        counts = counts + coo_array((ones, (left.token, left.source)), (size, size)).tocsr()
    totals = token_rows(labels, size)
    frequent = [int(k) for k in np.argsort(-totals, kind="stable") if totals[k] >= minimum]
    tables: dict[int | None, pd.DataFrame] = {None: top_sources(counts.sum(0))}
    tables |= {token: top_sources(counts[[token]].toarray()[0]) for token in frequent}
    expected = expected_rows(left_rows(labels, prompts), tables)
    parts = [
        _lifts(ALL if token is None else names[token], table, expected[token], names)
        for token, table in tables.items()
    ]
    return pd.concat(parts, ignore_index=True)[SOURCE_COLUMNS]


def top_sources(counts: Int[ndarray, " token"]) -> pd.DataFrame:
    """Return the most frequent source tokens: source, rows, share."""
    top = np.argsort(-counts, kind="stable")[:SOURCES_PER_TOKEN]
    top = top[counts[top] >= FEWEST_ROWS]
    return pd.DataFrame({"source": top, "rows": counts[top], "share": counts[top] / max(counts.sum(), 1)})


def expected_rows(
    lefts: Iterator[Left], tables: Mapping[int | None, pd.DataFrame]
) -> Mapping[int | None, ndarray]:
    """Return, per destination token (`None`: all), how many rows would have each top source by chance.

    By chance means that all positions a row can see are equally likely. The last entry is the number of rows.
    """
    expected = {token: np.zeros(len(table) + 1) for token, table in tables.items()}
    for left in lefts:
        occurrences = Occurrences(left.prompts)
        for token in [None, *(token for token in np.unique(left.token).tolist() if token in tables)]:
            rows = slice(None) if token is None else left.of(token)
            prompt, position = left.prompt[rows], left.position[rows]
            by_chance = [
                (occurrences.in_reach(source, prompt, position) / (position + 1)).sum()
                for source in tables[token]["source"].tolist()
            ]
            expected[token] += [*by_chance, len(prompt)]
    return expected


class Occurrences:
    """The positions of every token, to count how often a destination can see it."""

    def __init__(self, prompts: Int[ndarray, "prompt pos"]):
        flat = prompts.reshape(-1)
        self.width = prompts.shape[1]
        self.order = np.argsort(flat, kind="stable")
        self.sorted = flat[self.order]

    def in_reach(
        self, token: int, prompt: Int[ndarray, " row"], position: Int[ndarray, " row"]
    ) -> Int[ndarray, " row"]:
        """Count for each row how often the token stands at positions 0 … `position` of its prompt."""
        places = self.order[slice(*np.searchsorted(self.sorted, [token, token + 1]))]
        start = prompt * self.width
        return np.searchsorted(places, start + position, "right") - np.searchsorted(places, start, "left")


def _lifts(name: str, table: pd.DataFrame, expected: ndarray, names: Sequence[str]) -> pd.DataFrame:
    labels, by_chance = [names[token] for token in table["source"]], expected[:-1] / max(expected[-1], 1)
    table = table.assign(token_label=name, source_label=labels, expected_share=by_chance)
    return table.assign(lift=table["share"] / table["expected_share"])
