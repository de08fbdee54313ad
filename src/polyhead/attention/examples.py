"""Example rows, as in the post: a prompt's text with its tokens shaded by the attention of one destination.

Rows are drawn at random, with a seed, from all rows of the destination token; none is picked by hand. The
text of a picture stays text (it can be selected and searched), lines break where the prompt has a newline,
and every string is escaped, since a prompt may hold anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from polyhead.attention.rows import patterns
from polyhead.files import write_json, write_text
from polyhead.model.protocol import Model
from polyhead.model.vocabulary import Vocabulary
from polyhead.style import FAINT, INK, PAPER, ROLES, in_our_fonts

SHADE = "#d6336c"
MUCH = 0.05
"""A source with this weight is always shown."""
AROUND, SHORTEST_GAP = 3, 4
"""Tokens shown on either side of it; a gap shorter than this is not worth leaving out."""
CHARACTER, LINE, SIZE, PAD = 7.3, 19.0, 12, 10
QUIET = 0.2  # grey text is readable on fills up to this opacity
LEAST_SEEN = 0.03  # opacity
FONT = "DejaVu Sans Mono, Menlo, Consolas, monospace"


@dataclass(frozen=True)
class TokenBox:
    """One token to draw: its label, fill (`#rrggbb`), opacity of the fill, outline, and hover text."""

    label: str
    fill: str = PAPER
    opacity: float = 1.0
    outline: str = ""
    hover: str = ""
    breaks: bool = False
    """Whether the text after this token starts on a new line."""


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
    return token_picture(boxes, description)


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
    model: Model,
    vocabulary: Vocabulary,
    head: tuple[int, int],
    prompts: Int[ndarray, "prompt pos"],
    rows: pd.DataFrame,
    before: int,
    taxonomies: Sequence[str],
) -> Iterator[tuple[dict[str, object], str]]:
    """Yield the record and the picture, with so many tokens `before` the destination, of each row.

    Rows are those of `draw_rows`, of all the study's prompts. `label` of a record is the first taxonomy's.
    """
    for row in rows.to_dict("records"):
        tokens, position = prompts[row["prompt"]], row["position"]
        name, read = vocabulary.labels[tokens[position]], torch.from_numpy(tokens[None, : position + 1])
        weights = patterns(model, [head], read.long())[0, 0, position].numpy()
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


def token_picture(boxes: Sequence[TokenBox], description: str = "", columns: int = 96) -> str:
    """Return an SVG document that shows boxes, one or more, in lines of at most `columns` characters."""
    boxes = [replace(box, label=in_our_fonts(box.label) or " ") for box in boxes]
    places = _layout(boxes, columns)
    longest = max(column + len(box.label) for (_, column), box in zip(places, boxes, strict=True))
    width, height = f"{longest * CHARACTER + 2 * PAD:.0f}", f"{(places[-1][0] + 1) * LINE + 2 * PAD:.0f}"
    body = "".join(_draw(box, *place) for box, place in zip(boxes, places, strict=True))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family={quoteattr(FONT)} '
        f'font-size="{SIZE}" fill="{INK}"><title>{_clean(description)}</title>'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>{body}</svg>\n'
    )


def _layout(boxes: Sequence[TokenBox], columns: int) -> list[tuple[int, int]]:
    """Return (line, column) of every box."""
    line, column, places = 0, 0, []
    for box in boxes:
        if column and column + len(box.label) > columns:
            line, column = line + 1, 0
        places.append((line, column))
        column += len(box.label)
        if box.breaks:
            line, column = line + 1, 0
    return places


def _draw(box: TokenBox, line: int, column: int) -> str:
    """Draw a token; a fill that nobody sees is left out, with its hover text: most weights are hardly any."""
    x, y, width = PAD + column * CHARACTER, PAD + line * LINE, len(box.label) * CHARACTER
    outline = f' stroke="{box.outline}" stroke-width="1.6"' if box.outline else ""
    bare = box.fill == PAPER or box.opacity < LEAST_SEEN
    blank = box.label.strip("⏎·[]×0123456789") == "" and "⏎" in box.label
    ink = f' fill="{FAINT}"' if blank and (bare or box.opacity < QUIET) else ""
    text = f'<text x="{x:.1f}" y="{y + 12:.1f}" textLength="{width:.1f}"{ink}>{_clean(box.label)}</text>'
    if bare and not outline:
        return text
    return (
        f'<g><title>{_clean(box.hover)}</title><rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{LINE - 3:.1f}" rx="2" fill="{box.fill}" fill-opacity="{box.opacity:.3f}"{outline}/>'
        f"{text}</g>"
    )


def _clean(text: str) -> str:
    """Escape text for XML; characters that XML does not allow are codes."""
    return escape(in_our_fonts(text))
