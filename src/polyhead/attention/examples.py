"""Example rows, as in the post: a prompt's text with its tokens shaded by the attention of one destination.

Rows are drawn at random, with a seed, from all rows of the destination token; none is picked by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from polyhead.attention.rows import patterns
from polyhead.attention.token_text import TokenBox, token_picture
from polyhead.files import write_json, write_text
from polyhead.model.protocol import PatternModel
from polyhead.model.vocabulary import Vocabulary
from polyhead.style import ROLES

SHADE = "#d6336c"
MUCH = 0.05
"""A source with this weight is always shown."""
AROUND, SHORTEST_GAP = 3, 4
"""Tokens shown on either side of it; a gap shorter than this is not worth leaving out."""


def draw_rows(labels: pd.DataFrame, tokens: Sequence[int], count: int, seed: int) -> pd.DataFrame:
    """Draw `count` rows of each destination token uniformly; a token with fewer rows gives all it has."""
    drawn = [np.array([], np.int64)]
    for token in tokens:
        rows = np.flatnonzero(labels["token"] == token)
        rng = np.random.default_rng([seed, token])
        drawn.append(rows[rng.choice(len(rows), min(count, len(rows)), replace=False)])
    return labels.iloc[np.concatenate(drawn)]


def picture(
    vocabulary: Vocabulary,
    tokens: Int[ndarray, " pos"],
    weights: Float[ndarray, " src"],
    before: int,
    description: str,
) -> str:
    """Draw the text up to the destination (orange), tokens shaded by their attention.

    Shown are BOS, every source with much attention and a few tokens around it, and the last tokens before the
    destination; the stretches between are left out.
    """
    position, boxes, after = len(weights) - 1, [], -1
    for j in shown_places(weights, before):
        if j > after + 1:
            hidden = float(weights[after + 1 : j].sum())
            boxes.append(TokenBox(f" … {j - after - 1} tokens, weight {hidden:.2f} … ", breaks=True))
        token, opacity = int(tokens[j]), min(1.0, float(weights[j])) ** 0.5 * 0.85
        outline = ROLES["destination"] if j == position else ""
        hover, breaks = f"weight {weights[j]:.3f}, token {token}", "\n" in vocabulary.texts[token]
        boxes.append(TokenBox(vocabulary.labels[token], SHADE, opacity, outline, hover, breaks))
        after = j
    return token_picture(boxes, description=description)


def shown_places(weights: Float[ndarray, " src"], before: int) -> list[int]:
    """Return BOS, every source that holds much with its neighbours, and the last places, in order."""
    position = len(weights) - 1
    places = {0, *range(max(0, position - before), position + 1)}
    for source in map(int, 1 + np.flatnonzero(weights[1:] >= MUCH)):
        places |= set(range(max(0, source - AROUND), min(position, source + AROUND) + 1))
    ordered = sorted(places)
    bridged = [range(a, b) for a, b in pairwise(ordered) if b - a <= SHORTEST_GAP]
    return sorted(places.union(*bridged))


def examples(
    model: PatternModel,
    vocabulary: Vocabulary,
    head: tuple[int, int],
    prompts: Int[ndarray, "prompt pos"],
    rows: pd.DataFrame,
    before: int,
    taxonomies: Sequence[str],
) -> Iterator[tuple[dict[str, object], str]]:
    """Yield the record and the picture of each row.

    Args:
        model: the model.
        vocabulary: its tokens.
        head: the head.
        prompts: all prompts of the study.
        rows: as `draw_rows` returns them: prompt, position, and a label for each taxonomy.
        before: tokens shown before the destination.
        taxonomies: those of the rows' labels; `label` of a record is that of the first.
    """
    for row in rows.to_dict("records"):
        tokens, position = prompts[row["prompt"]], row["position"]
        prompt, name = (
            torch.from_numpy(tokens[None, : position + 1]).long(),
            vocabulary.labels[tokens[position]],
        )
        weights = patterns(model, [head], prompt)[0, 0, position].numpy()
        behaviours = {taxonomy: row[taxonomy] for taxonomy in taxonomies}
        labelled = ", ".join(f"{taxonomy} {label}" for taxonomy, label in behaviours.items())
        text = f"Attention from {name} at position {position} of prompt {row['prompt']}: {labelled}"
        top = [
            {"position": int(j), "token_label": vocabulary.labels[tokens[j]], "weight": float(weights[j])}
            for j in np.argsort(-weights)[:5]
        ]
        record = {"token_label": name, "label": row[taxonomies[0]], "behaviours": behaviours}
        record |= {"prompt": row["prompt"], "position": position, "top_weights": top, "text": text}
        yield record, picture(vocabulary, tokens, weights, before, text)


def write_examples(
    listing: Path | str, folder: Path | str, examples: Iterable[tuple[dict[str, object], str]]
) -> None:
    """Write the pictures of examples into a folder beside the listing, and their records as the listing."""
    records = []
    Path(folder).mkdir(parents=True, exist_ok=True)  # there may be no example
    for number, (record, svg) in enumerate(examples):
        path = Path(folder) / f"{number:02d}.svg"
        write_text(path, svg)
        records.append({**record, "svg": path.relative_to(Path(listing).parent).as_posix()})
    write_json(listing, records)
