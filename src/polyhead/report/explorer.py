"""A page to look at rows: any token of its prompts is a destination, whose row is drawn in the browser.

The page holds the head's queries and keys on some prompts, numbers of 16 bits, and is a single file.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from polyhead.edges.classes import CLASSES, FIRST
from polyhead.errors import PolyheadError
from polyhead.model.head import Head
from polyhead.prompts.templates import Task
from polyhead.report.explorer_prompt import UINT16, Asked, Shown, coded, prompt_record
from polyhead.report.explorer_sample import Group, Place, by_prompt
from polyhead.report.templating import environment
from polyhead.style import ROLES, colour, ordered

LARGEST = 6_000_000
"""Bytes of a page, at most."""
WHOLE_PROMPTS = 10
"""Prompts drawn at random that are shown to their end, before room goes to kinds of rows."""
MOST_PROMPTS = 200
"""Prompts of the study, at most."""
MEAN_PROMPTS = 50
"""Prompts over which the mean of every component of the stream is taken."""
LONGEST = 2048
"""Tokens of a prompt that are shown, at most: while they are measured, whole patterns are in memory."""
TASK_PROMPTS = 3
"""Prompts of every template."""
SAMPLED = "text"
MODULES = ("coding", "rows", "study", "address", "filters", "text", "facts", "picture", "keys")
"""What explorer.js imports, as `explorer/<name>`."""

LEFT_OUT = "left_out"


def nothing_explored(head: Head, why: str) -> dict[str, Any]:
    """Return an empty `explorer_rows`, for a model whose queries and keys cannot be read."""
    return {"head": str(head), LEFT_OUT: why, "prompts": []}


def sampled_prompts(
    pick: Callable[[Sequence[int]], Int[ndarray, "picked pos"]],
    sources: pd.DataFrame,
    wanted: Sequence[Place],
    drawn: Sequence[int],
    kinds: Sequence[Place],
) -> Iterator[Shown]:
    """Yield prompts of the study, those that the report links to first: as many as are asked for.

    Args:
        pick: returns the tokens of prompts.
        sources: source and source_type of every prompt.
        wanted: rows that the report links to: their prompts are shown up to these rows.
        drawn: prompts at random: some come next, whole, the others last.
        kinds: rows of every kind: their prompts come between those, up to these rows.
    """
    first = by_prompt([*wanted, *kinds])
    whole, later = drawn[:WHOLE_PROMPTS], drawn[WHOLE_PROMPTS:]
    parts = by_prompt(wanted), whole, by_prompt(kinds), later
    order = [*dict.fromkeys(chain.from_iterable(parts))][:MOST_PROMPTS]
    for prompt, tokens in zip(order, pick(order), strict=True):
        rows, of = tuple(sorted({*first.get(prompt, [])})), sources.iloc[prompt]
        length = min(LONGEST, len(tokens) if prompt in whole or not rows else rows[-1] + 1)
        about = str(of["source"]), str(of["source_type"])
        yield Shown(str(prompt), SAMPLED, *about, tokens[: length + 1], length, rows)


def template_prompts(tasks: Sequence[Task]) -> Iterator[Shown]:
    """Yield some prompts of every task; the answer is the token that follows."""
    for task in tasks:
        for number, (tokens, answer) in enumerate(zip(task.tokens, task.answers, strict=True)):
            if number < TASK_PROMPTS:
                name, whole = f"{task.name}.{number}", np.append(tokens, answer)
                yield Shown(name, task.name, task.title, "template", whole, len(tokens), (task.destination,))


def explorer_rows(
    asked: Asked, prompts: Iterator[Shown], groups: Sequence[Group], room: float
) -> dict[str, Any]:
    """Measure prompts, in their order, until they fill the room (bytes), and return the data of the page.

    The data hold token ids as indices into `tokens`, the list of tokens that occur.

    Raises:
        PolyheadError: see `prompt_record`; or there are more different tokens than can be numbered.
    """
    records: list[dict[str, Any]] = []
    of_position = 0.0  # bytes that a position of the last prompt took
    for shown in prompts:
        if shown.length * of_position > room:
            continue
        record = prompt_record(asked, shown)
        size = size_of(record)
        of_position = size / shown.length
        if size <= room:
            records.append(record)
            room -= size
    return {
        "head": str(asked.head),
        "others": [str(head) for head in asked.others],
        "classes": list(CLASSES),
        "first": FIRST,
        "totals": [[group.taxonomy, group.label, group.total] for group in groups],
        **numbered(records, asked),
    }


def size_of(record: dict[str, Any]) -> float:
    """Return the bytes that a record takes in the page, where tokens and labels are numbers of 16 bits."""
    numbers = (len(record["labels"]) + 1) * len(record["tokens"]) * 2 * 4 / 3
    return len(json.dumps(record | {"labels": {}, "tokens": []})) + numbers


def numbered(records: list[dict[str, Any]], asked: Asked) -> dict[str, Any]:
    """Put numbers in the place of token ids and labels."""
    ids = np.unique([token for record in records for token in record["tokens"]])
    if len(ids) > UINT16:
        raise PolyheadError(f"explorer: its prompts have {len(ids)} different tokens; at most {UINT16} fit")
    names = {
        taxonomy: ordered({label for record in records for label in record["labels"][taxonomy]})
        for taxonomy in asked.definitions.taxonomies
    }
    vocabulary = asked.vocabulary
    return {
        "tokens": [[int(i), vocabulary.labels[i], int("\n" in vocabulary.texts[i])] for i in ids],
        "labels": names,
        "prompts": [
            record
            | {
                "tokens": coded(np.searchsorted(ids, record["tokens"]), "<u2"),
                "labels": {
                    taxonomy: coded(np.array([names[taxonomy].index(label) for label in labels]), "<u2")
                    for taxonomy, labels in record["labels"].items()
                },
            }
            for record in records
        ],
    }


def explorer_page(rows: dict[str, Any], sources: Path, model: str, study: str) -> str:
    """Return the page, a single file that loads nothing else.

    Args:
        rows: what `explorer_rows` returns.
        sources: folder with the templates, explorer.css and the modules of the script.
        model: the model's name.
        study: the study's name.
    """
    templates = environment(sources)
    if why := rows.get(LEFT_OUT):
        return templates.get_template("empty.html").render(head=rows["head"], why=why)
    labels = ordered({label for names in rows["labels"].values() for label in names})
    data = rows | {
        "model": model,
        "study": study,
        "colours": {label: colour(label) for label in labels},
        "destination": ROLES["destination"],
    }
    return templates.get_template("page.html").render(
        style=(sources / "explorer.css").read_text(encoding="utf-8"),
        modules=as_script({"imports": {f"explorer/{name}": module(sources, name) for name in MODULES}}),
        script=(sources / "explorer.js").read_text(encoding="utf-8"),
        data=as_script(data),
    )


def module(sources: Path, name: str) -> str:
    """Return a module of the script as an address that holds it."""
    source = (sources / f"{name}.js").read_bytes()
    return f"data:text/javascript;charset=utf-8;base64,{base64.b64encode(source).decode()}"


def as_script(data: Any) -> str:
    """Return data as JSON that is safe inside a script element, whatever its strings contain."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
