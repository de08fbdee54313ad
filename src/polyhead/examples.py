"""Example rows, as in the post: a prompt's text with its tokens shaded by the attention of one destination.

Rows are drawn at random (seeded) from the destination token's rows, never picked by eye.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from polyhead.chunks import Chunks, count_kinds, take_ranked
from polyhead.rows import PatternModel, patterns
from polyhead.style import ROLES
from polyhead.token_picture import TokenBox, token_picture
from polyhead.tokens import Vocabulary

SHADE = "#d6336c"


def draw_rows(labels: Chunks, tokens: Sequence[int], count: int, seed: int) -> pd.DataFrame:
    """Draw `count` rows of each destination token uniformly; all of them where there are fewer."""

    def kinds(chunk: pd.DataFrame) -> Iterator[tuple[int, Bool[ndarray, " row"]]]:
        return ((token, (chunk["token"] == token).to_numpy()) for token in tokens)

    ranks = {
        token: np.random.default_rng([seed, token]).choice(rows, min(count, rows), replace=False)
        for token, rows in count_kinds(labels, kinds).items()
    }
    places, rows = take_ranked(labels, kinds, ranks)
    return rows.loc[np.concatenate(list(places.values()))]


def row_weights(
    model: PatternModel, head: tuple[int, int], tokens: Int[ndarray, " pos"], position: int
) -> Float[ndarray, " src"]:
    """Return the attention of one destination to every source up to itself."""
    prompt = torch.from_numpy(tokens[None, : position + 1]).long()
    return patterns(model, [head], prompt)[0, 0, position].numpy()


def picture(
    vocabulary: Vocabulary,
    tokens: Int[ndarray, " pos"],
    weights: Float[ndarray, " src"],
    before: int,
    description: str,
) -> str:
    """Draw the text up to the destination (orange), each token shaded by its weight; BOS is always shown."""
    position = len(weights) - 1
    first = max(1, position - before)
    shown = [0, *range(first, position + 1)]
    boxes = [_box(vocabulary, int(tokens[j]), float(weights[j]), j == position) for j in shown]
    if first > 1:
        hidden = float(weights[1:first].sum())
        boxes.insert(1, TokenBox(f" … {first - 1} tokens, weight {hidden:.2f} … ", breaks=True))
    return token_picture(boxes, description=description)


def _box(vocabulary: Vocabulary, token: int, weight: float, destination: bool) -> TokenBox:
    return TokenBox(
        vocabulary.labels[token],
        SHADE,
        min(1.0, weight) ** 0.5 * 0.85,
        ROLES["destination"] if destination else "",
        f"weight {weight:.3f}, token {token}",
        "\n" in vocabulary.texts[token],
    )


def example(
    model: PatternModel,
    vocabulary: Vocabulary,
    head: tuple[int, int],
    tokens: Int[ndarray, " pos"],
    row: pd.Series,
    before: int,
    taxonomies: Sequence[str],
) -> tuple[dict[str, object], str]:
    """Return the record and the picture of one row of the prompt with these tokens."""
    position = int(row["position"])
    weights = row_weights(model, head, tokens, position)
    name = vocabulary.labels[tokens[position]]
    behaviours = {taxonomy: str(row[taxonomy]) for taxonomy in taxonomies}
    description = f"Attention from {name} at position {position} of prompt {row['prompt']}: " + ", ".join(
        f"{taxonomy} {behaviour}" for taxonomy, behaviour in behaviours.items()
    )
    record = {
        "token_label": name,
        "behaviour": behaviours[taxonomies[0]],
        "behaviours": behaviours,
        "prompt": int(row["prompt"]),
        "position": position,
        "top_weights": [
            {"position": int(j), "token_label": vocabulary.labels[tokens[j]], "weight": float(weights[j])}
            for j in np.argsort(-weights)[:5]
        ],
        "text": description,
    }
    return record, picture(vocabulary, tokens, weights, before, description)
