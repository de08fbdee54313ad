"""One page to leaf through rows: pick a destination token and a label, see where rows of that kind attend.

A few thousand rows are sampled, uniformly within each pair of destination token and label; their attention is
computed again from the model (patterns are never stored) and goes into the page with their prompts' tokens.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int
from numpy import ndarray

from polyhead.chunks import Chunks, count_kinds, prompt_numbers, take_ranked
from polyhead.errors import PolyheadError
from polyhead.rows import batch_size, patterns
from polyhead.style import ROLES, colour, ordered
from polyhead.tokens import ALL, Vocabulary
from polyhead.transformer import PatternModel

LARGEST = 3000
"""Rows in a page at most."""
BUDGET = 2_000_000
"""Bytes that tokens and weights should take in the page; twice as many at the very most."""
ROWS_PER_PROMPT = 4
"""Rows come from so few prompts that each gives about this many, as long as a kind of row is not rare."""
BYTES_PER_TOKEN = 2.0
"""Of a row, in base64, per token of context: its weights (half a context) and its share of a prompt."""
SCALE = 2**16 - 1


@dataclass(frozen=True)
class Group:
    """Rows of one destination token (or all) with one label: how many there are, and a sample."""

    token: str
    taxonomy: str
    label: str
    total: int
    rows: list[int]


def row_limit(context: int) -> int:
    """Return how many rows of prompts of this length fit into a page."""
    return max(1, min(LARGEST, int(BUDGET / (BYTES_PER_TOKEN * context))))


def sample_groups(
    labels: Chunks,
    names: Sequence[str],
    shown: Sequence[str],
    taxonomies: Sequence[str],
    seed: int,
    limit: int,
) -> tuple[list[Group], pd.DataFrame]:
    """Sample rows of every pair of shown destination token and label.

    The first taxonomy is sampled for every shown token, the others over all rows. Every group gets the same
    number of rows, or all it has; groups share rows where they happen to. A common kind of row is drawn from
    some of the prompts only, themselves drawn at random, since every prompt takes room in the page.

    Args:
        labels: prompt, position, token, one column per taxonomy.
        names: label of every token id.
        shown: destination tokens, `all` first.
        taxonomies: columns to sample by.
        seed: seed of the sample.
        limit: rows in all, at most.

    Returns:
        The groups, whose `rows` are places in the second part: the sampled lines of `labels`, sorted.
    """
    views = [(token, taxonomies[0]) for token in shown] + [(ALL, taxonomy) for taxonomy in taxonomies[1:]]
    rng = np.random.default_rng(seed)
    near = rng.permutation(prompt_numbers(labels))[: max(1, limit // ROWS_PER_PROMPT)]
    kinds = partial(_kinds, names=names, views=views, near=near)
    counts = count_kinds(labels, kinds)
    members = [
        (*view, label)
        for view in views
        for label in ordered([kind[2] for kind in counts if kind[:2] == view and kind[3] is EVERYWHERE])
    ]
    quota = max(1, limit // max(1, len(members)))
    ranks = {}
    for member in members:
        enough = counts.get((*member, NEAR), 0) >= quota
        kind = (*member, NEAR if enough else EVERYWHERE)
        ranks[kind] = rng.choice(counts[kind], min(quota, counts[kind]), replace=False)
    places, rows = take_ranked(labels, kinds, ranks)
    rows = rows.iloc[:limit]
    groups = [
        Group(*kind[:3], counts[(*kind[:3], EVERYWHERE)], np.flatnonzero(rows.index.isin(chosen)).tolist())
        for kind, chosen in places.items()
    ]
    return groups, rows


NEAR, EVERYWHERE = "near", "everywhere"


def _kinds(
    chunk: pd.DataFrame, names: Sequence[str], views: Sequence[tuple[str, str]], near: Int[ndarray, " prompt"]
) -> Iterator[tuple[tuple[str, str, str, str], Bool[ndarray, " row"]]]:
    """Name kinds of row: destination token, taxonomy, label, and whether all or those of near prompts."""
    inside = chunk["prompt"].isin(near).to_numpy()
    for token, taxonomy in views:
        of_token = True if token == ALL else (chunk["token"] == names.index(token)).to_numpy()
        labels = chunk[taxonomy].cat
        codes = labels.codes.to_numpy()
        for code in np.unique(codes[of_token] if token != ALL else codes):
            rows = of_token & (codes == code)
            yield (token, taxonomy, labels.categories[code], EVERYWHERE), rows
            yield (token, taxonomy, labels.categories[code], NEAR), rows & inside


def row_weights(
    model: PatternModel,
    head: tuple[int, int],
    prompts: Int[ndarray, "prompt pos"],
    place: Int[ndarray, " row"],
    position: Int[ndarray, " row"],
) -> list[str]:
    """Return every row's attention, by its prompt's place and its position, as base64 of 16-bit numbers."""
    coded: dict[int, str] = {}
    at_once = batch_size([head], prompts.shape[1])
    for first in range(0, len(prompts), at_once):
        some = torch.from_numpy(prompts[first : first + at_once]).long()
        for number, pattern in enumerate(patterns(model, [head], some)[:, 0], start=first):
            for line in np.flatnonzero(place == number).tolist():
                weights = pattern[position[line], : position[line] + 1]
                coded[line] = pack(weights.cpu().numpy() * SCALE)
    return [coded[line] for line in range(len(place))]


def pack(values: ndarray) -> str:
    """Write non-negative numbers below 2¹⁶ as base64 of little-endian 16-bit numbers."""
    return base64.b64encode(np.round(values).clip(0, SCALE).astype("<u2").tobytes()).decode()


def explorer_rows(
    model: PatternModel,
    vocabulary: Vocabulary,
    head: tuple[int, int],
    pick: Callable[[Int[ndarray, " picked"]], Int[ndarray, "picked pos"]],
    context: int,
    labels: Chunks,
    shown: Sequence[str],
    taxonomies: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Sample rows, compute their attention, and return all that the page needs.

    `pick` returns the tokens, `context` of each, of the prompts with the given numbers. Token ids are written
    as places in `tokens`, the list of the tokens that occur.
    """
    groups, rows = sample_groups(labels, vocabulary.labels, shown, taxonomies, seed, row_limit(context))
    numbers, place = np.unique(rows["prompt"], return_inverse=True)
    prompts = pick(numbers)
    ids, coded = np.unique(prompts, return_inverse=True)
    if len(ids) > SCALE:
        raise PolyheadError(f"explorer: its prompts have {len(ids)} different tokens; at most {SCALE} fit")
    return {
        "groups": [group.__dict__ for group in groups],
        "tokens": [[int(i), vocabulary.labels[i], int("\n" in vocabulary.texts[i])] for i in ids],
        "prompts": [pack(tokens) for tokens in coded.reshape(len(numbers), -1)],
        "numbers": numbers.tolist(),
        "rows": {
            "prompt": place.tolist(),
            "position": rows["position"].tolist(),
            "weights": row_weights(model, head, prompts, place, rows["position"].to_numpy()),
            "labels": {taxonomy: rows[taxonomy].astype(str).tolist() for taxonomy in taxonomies},
        },
    }


def explorer_page(rows: dict[str, Any], sources: Path, head: str, model: str, study: str) -> str:
    """Put the rows into the page: one file, nothing fetched.

    Args:
        rows: what `explorer_rows` returns.
        sources: folder with page.html, explorer.css and explorer.js.
        head: the head's name.
        model: the model's name.
        study: the study's name.
    """
    labels = {group["label"] for group in rows["groups"]}
    data = rows | {
        "head": head,
        "model": model,
        "study": study,
        "colours": {label: colour(label) for label in labels},
        "destination": ROLES["destination"],
    }
    parts = {
        "STYLE": (sources / "explorer.css").read_text(encoding="utf-8"),
        "SCRIPT": (sources / "explorer.js").read_text(encoding="utf-8"),
        "DATA": as_script(data),
    }
    page = (sources / "page.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace(f"@{name}@", text)
    return page


def as_script(data: Any) -> str:
    """Write data as JSON that may stand inside a script element whatever its strings contain."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
