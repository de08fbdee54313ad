"""One page to leaf through rows: pick a destination token and a label, see where rows of that kind attend.

A few thousand rows are sampled, uniformly within each pair of destination token and label; their attention is
computed again from the model (patterns are never stored) and goes into the page with their prompts' tokens.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int
from numpy import ndarray

from polyhead.distribution import ALL
from polyhead.errors import PolyheadError
from polyhead.rows import batch_size, patterns
from polyhead.style import ROLES, colour, ordered
from polyhead.tokens import Vocabulary
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
    labels: pd.DataFrame,
    names: Sequence[str],
    shown: Sequence[str],
    taxonomies: Sequence[str],
    seed: int,
    limit: int,
) -> tuple[list[Group], Int[ndarray, " row"]]:
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
    kinds = [(token, taxonomies[0]) for token in shown] + [(ALL, taxonomy) for taxonomy in taxonomies[1:]]
    members = {
        (token, taxonomy, str(label)): lines
        for token, taxonomy in kinds
        for label, lines in _by_label(labels, names, token, taxonomy).items()
    }
    quota = max(1, limit // max(1, len(members)))
    rng = np.random.default_rng(seed)
    prompts = labels["prompt"].unique()
    kept = rng.permutation(prompts)[: max(1, limit // ROWS_PER_PROMPT)]
    near = labels["prompt"].isin(kept).to_numpy()
    chosen = {key: _draw(lines, near, quota, rng) for key, lines in members.items()}
    lines = np.unique(np.concatenate(list(chosen.values())))[:limit]
    groups = [
        Group(*key, len(members[key]), np.searchsorted(lines, kept[np.isin(kept, lines)]).tolist())
        for key, kept in chosen.items()
    ]
    return groups, lines


def _draw(
    lines: Int[ndarray, " row"], near: Bool[ndarray, " label"], quota: int, rng: np.random.Generator
) -> Int[ndarray, " drawn"]:
    """Draw a quota of lines, from the chosen prompts if these have enough."""
    inside = lines[near[lines]]
    return rng.permutation(inside if len(inside) >= quota else lines)[:quota]


def _by_label(
    labels: pd.DataFrame, names: Sequence[str], token: str, taxonomy: str
) -> dict[str, Int[ndarray, " row"]]:
    """Return the lines of a token's rows for each label, labels in the order of every figure."""
    chosen = np.arange(len(labels)) if token == ALL else np.flatnonzero(labels["token"] == names.index(token))
    found = labels[taxonomy].iloc[chosen].astype(str).to_numpy()
    return {label: chosen[found == label] for label in ordered(found)}


def row_weights(
    model: PatternModel, head: tuple[int, int], prompts: Int[ndarray, "prompt pos"], rows: pd.DataFrame
) -> list[str]:
    """Return the attention of every row as base64 of 16-bit numbers, little-endian."""
    coded: dict[int, str] = {}
    rows = rows.reset_index(drop=True)
    numbers = rows["prompt"].unique()
    at_once = batch_size([head], prompts.shape[1])
    for first in range(0, len(numbers), at_once):
        some = numbers[first : first + at_once]
        pattern = patterns(model, [head], torch.from_numpy(prompts[some]).long())[:, 0]
        for of_prompt, number in zip(pattern, some, strict=True):
            for line, position in rows.loc[rows["prompt"] == number, "position"].items():
                coded[line] = pack(of_prompt[position, : position + 1].cpu().numpy() * SCALE)
    return [coded[line] for line in range(len(rows))]


def pack(values: ndarray) -> str:
    """Write non-negative numbers below 2¹⁶ as base64 of little-endian 16-bit numbers."""
    return base64.b64encode(np.round(values).clip(0, SCALE).astype("<u2").tobytes()).decode()


def explorer_rows(
    model: PatternModel,
    vocabulary: Vocabulary,
    head: tuple[int, int],
    prompts: Int[ndarray, "prompt pos"],
    labels: pd.DataFrame,
    shown: Sequence[str],
    taxonomies: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Sample rows, compute their attention, and return all that the page needs.

    Token ids are written as places in `tokens`, the list of the tokens that occur.
    """
    limit = row_limit(prompts.shape[1])
    groups, lines = sample_groups(labels, vocabulary.labels, shown, taxonomies, seed, limit)
    rows = labels.iloc[lines]
    numbers, place = np.unique(rows["prompt"], return_inverse=True)
    ids, coded = np.unique(prompts[numbers], return_inverse=True)
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
            "weights": row_weights(model, head, prompts, rows),
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
