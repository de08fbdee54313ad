"""Which prompts the explorer shows, and the data of its page."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Int
from numpy import ndarray

from polyhead.attention.labels import read_atoms
from polyhead.edges.classes import CLASSES, FIRST, NONE, class_masses, dominating
from polyhead.files import read_json
from polyhead.prompts.templates import Task
from polyhead.report.explorer_prompt import Asked, Shown, prompt_record

MOST_PROMPTS = 200
LONGEST = 2048
"""Tokens of a prompt that are shown, at most: while they are measured, whole patterns are in memory."""
TASK_PROMPTS = 3
"""Prompts of every template."""


def linked_rows(examples: Path | str, moments: Path | str | None) -> list[tuple[int, int]]:
    """Return prompt and position of every row that the report links to, or draws."""
    tables = [pd.DataFrame(read_json(examples), columns=["prompt", "position"])]
    tables += [pd.read_csv(moments)] if moments else []
    return [(int(row.prompt), int(row.position)) for table in tables for row in table.itertuples()]


def rows_of_classes(table: pa.Table) -> list[tuple[int, int]]:
    """Return prompt and position of the first row that each class of edges dominates, of stored rows."""
    rows = table.select(["prompt", "position"]).to_pandas()
    rows["class"] = dominating(class_masses(read_atoms(table)))
    first = rows[(rows["position"] >= FIRST) & (rows["class"] != NONE)].drop_duplicates("class")
    return [(int(row.prompt), int(row.position)) for row in first.itertuples()]


def sampled_prompts(
    pick: Callable[[Sequence[int]], Int[ndarray, "picked pos"]],
    sources: pd.DataFrame,
    wanted: Sequence[tuple[int, int]],
    seed: int,
) -> Iterator[Shown]:
    """Yield prompts of the study: those with linked rows, up to the last of these; then others, whole.

    Args:
        pick: returns the tokens of prompts.
        sources: source and source_type of every prompt.
        wanted: prompt and position of the rows that are linked to. The shorter prompts come first.
        seed: of the draw of the others.
    """
    last = dict(sorted(wanted, key=lambda row: row[1]))
    drawn = np.random.default_rng(seed).permutation(len(sources)).tolist()
    order = list(dict.fromkeys([*sorted(last, key=last.__getitem__), *drawn]))[:MOST_PROMPTS]
    for prompt, tokens in zip(order, pick(order), strict=True):
        length = min(LONGEST, last.get(prompt, len(tokens)) + 1, len(tokens))
        source, kind = sources.loc[prompt, ["source", "source_type"]].astype(str)
        yield Shown(str(prompt), "text", source, kind, tokens[: length + 1], length)


def template_prompts(tasks: Sequence[Task]) -> Iterator[Shown]:
    """Yield some prompts of every task; the answer is the token that follows."""
    for task in tasks:
        some = zip(task.tokens[:TASK_PROMPTS], task.answers, strict=False)
        for number, (tokens, answer) in enumerate(some):
            name, whole = f"{task.name}.{number}", np.append(tokens, answer)
            yield Shown(name, task.name, task.title, "template", whole, len(tokens))


def explorer_rows(asked: Asked, prompts: Iterator[Shown], room: float) -> dict[str, Any]:
    """Measure prompts, in their order, until they fill the room (bytes), and return the data of the page.

    Raises:
        PolyheadError: see `prompt_record`.
    """
    records: list[dict[str, Any]] = []
    of_position = 0.0  # bytes that a position of the last prompt took
    for shown in prompts:
        if shown.length * of_position <= room:
            records.append(prompt_record(asked, shown))
            size = len(json.dumps(records[-1]))
            of_position, room = size / shown.length, room - size
    return page_data(asked, records)


def page_data(asked: Asked, records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the data of a page; `tokens` are label, and whether a line ends with it, by token id."""
    coded = [
        text for one in records for text in (one["tokens"], *(ids for ids, _ in one["predictions"].values()))
    ]
    used = {token for text in coded for token in np.frombuffer(base64.b64decode(text), "<u4").tolist()}
    used |= {one["last"]["answer"] for one in records if "last" in one}
    labels, texts = asked.vocabulary.labels, asked.vocabulary.texts
    return {
        "head": str(asked.head),
        "method": str(asked.method),
        "classes": list(CLASSES),
        "first": FIRST,
        "tokens": {str(token): [labels[token], int("\n" in texts[token])] for token in sorted(used)},
        "prompts": records,
    }
