"""The rows that the explorer shows: of which prompts, and what it keeps of each.

A row of attention is the softmax of its query times the keys, so no pattern is kept. Queries and keys are
rounded to 16 bits, or kept in single precision where that would show. It is checked that they give the
model's pattern.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from polyhead.ablation.patching import Method
from polyhead.ablation.real_text import logits_of
from polyhead.attention.labels import Atoms, Definitions, read_atoms
from polyhead.attention.rows import patterns, prompt_contexts, shard_tables
from polyhead.edges.classes import CLASSES, FIRST, NONE, class_masses, dominating
from polyhead.edges.costs import Fill, Question, cut_only, edge_costs
from polyhead.errors import PolyheadError
from polyhead.files import read_json
from polyhead.model.head import Head
from polyhead.model.head_scores import HeadScores, head_scores
from polyhead.model.protocol import HeadVectors, Model, Residual
from polyhead.model.vocabulary import Vocabulary
from polyhead.prompts.templates import Task

MOST_PROMPTS = 200
LONGEST = 2048
"""Tokens of a prompt that are shown, at most: while they are measured, whole patterns are in memory."""
TASK_PROMPTS = 3
"""Prompts of every template."""
LARGEST_ERROR = 9e-4
"""No weight that is drawn may differ by more from the model's."""
LEAST_MASS = 0.05
"""Mass of a class of edges in a row, from which on it is measured what cutting them costs."""
FIRST_PREDICTIONS = 5
Tokens = Int[ndarray, " pos"]
OfClasses = Float[ndarray, "row class"]
LARGEST = {"<u2": 2**16 - 1, "<i2": 2**15 - 1}


@dataclass(frozen=True)
class Shown:
    """A prompt of the page.

    `name` is what a link calls it, `kind` the task it is from, or `text`. `tokens` are the `length` (two or
    more) that are shown, and the one that follows, where it is known.
    """

    name: str
    kind: str
    source: str
    source_type: str
    tokens: Tokens
    length: int


@dataclass(frozen=True)
class Asked:
    """What is asked of every prompt.

    `mean` is the head's mean output over rows; without it no edges are cut. `method`: what takes the place of
    the head's output where it is ablated; `MEAN` is its mean over the prompt's own rows.
    """

    model: Model
    vocabulary: Vocabulary
    head: Head
    definitions: Definitions
    mean: Float[ndarray, " d_head"] | None = None
    method: Method = Method.BOS

    def residual(self, tokens: Tokens) -> Residual:
        """Return the stream that the head reads on a prompt."""
        return self.model.residual_before(self.head.layer, torch.from_numpy(tokens)[None].long())

    def atoms(self, tokens: Tokens) -> Atoms:
        """Return the head's rows on a prompt, from 1 on, as a study stores them."""
        one = np.zeros(1, np.int64), tokens[None]
        [table] = shard_tables(self.model, self.vocabulary, [self.head], *one, self.definitions.window)
        return read_atoms(table)


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
    prompts: Int[ndarray, "prompt pos"], sources: pd.DataFrame, wanted: Sequence[tuple[int, int]], seed: int
) -> Iterator[Shown]:
    """Yield prompts of the study: those with linked rows, up to the last of these; then others, drawn, whole.

    `sources`: source and source_type of every prompt; `wanted`: prompt and position of the rows that are
    linked to. The shorter prompts come first.
    """
    last = dict(sorted(wanted, key=lambda row: row[1]))
    drawn = np.random.default_rng(seed).permutation(len(sources)).tolist()
    order = list(dict.fromkeys([*sorted(last, key=last.__getitem__), *drawn]))[:MOST_PROMPTS]
    for prompt in order:
        tokens = prompts[prompt]
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
    """Measure prompts, in their order, until they fill the room (bytes), and return the data of the page."""
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


def prompt_record(asked: Asked, shown: Shown) -> dict[str, Any]:
    """Return what the page needs to know of a prompt, as plain data; numbers are coded, see `coded`.

    `sides`: query and key, each with its steps, see `coded_sides`. `labels`: by taxonomy, for rows from 1 on.
    `masses` and `costs` (nats; NaN: not measured), for rows from 1 on, by class of edges. `clean`, `ablated`
    and `predictions`: see `effects`.

    Raises:
        PolyheadError: queries and keys cannot be read, or do not give the model's pattern.
    """
    tokens = torch.from_numpy(shown.tokens[None, : shown.length]).long()
    scores = head_scores(asked.model, asked.head, tokens)
    own = patterns(asked.model, [asked.head], tokens)[0, 0].float().cpu()
    atoms = asked.atoms(shown.tokens[: shown.length])
    masses = class_masses(atoms)
    return {
        "name": shown.name,
        "kind": shown.kind,
        "source": shown.source,
        "sourceType": shown.source_type,
        "length": shown.length,
        "tokens": coded(shown.tokens, "<u4"),
        "window": scores.window,
        "softcap": scores.softcap or 0,
        "sides": coded_sides(scores, own, f"head {asked.head}, prompt {shown.name}"),
        "labels": {name: coded_names(found) for name, found in asked.definitions.labels(atoms).items()},
        "masses": coded(masses * LARGEST["<u2"], "<u2"),
        "costs": coded(costs(asked, shown.tokens, masses), "<f4"),
        **effects(asked, shown),
    }


def coded(values: ndarray, kind: str) -> str:
    """Encode numbers as base64 of a little-endian type; whole numbers are rounded."""
    values = values if kind[1] == "f" else np.round(values)
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()


def coded_names(labels: pd.Categorical) -> dict[str, Any]:
    """Return the names that occur, and the rows' codes: places among them."""
    used = labels.remove_unused_categories()
    return {"names": used.categories.tolist(), "codes": coded(used.codes, "<u2")}


def coded_sides(scores: HeadScores, own: Float[Tensor, "dest src"], subject: str) -> list[list[str]]:
    """Return query and key, each as [steps, multiples] of 16 bits, one step for every dimension.

    Where that is too coarse, as ["", numbers of single precision]. Raises `PolyheadError` where even these do
    not give the head's own pattern.
    """
    centred = scores.about_mean_key()
    sides = [side[0].float().cpu().numpy() for side in (centred.query, centred.key)]
    steps = [np.maximum(np.abs(side).max(0), 1e-30).astype(np.float32) / LARGEST["<i2"] for side in sides]
    whole = [np.round(side / step) for side, step in zip(sides, steps, strict=True)]

    def error(query: Any, key: Any) -> float:
        query, key = torch.from_numpy(query)[None], torch.from_numpy(key)[None]
        return float((HeadScores(query, key, scores.window, scores.softcap).pattern()[0] - own).abs().max())

    if error(*(w * step for w, step in zip(whole, steps, strict=True))) <= LARGEST_ERROR:
        return [[coded(step, "<f4"), coded(w, "<i2")] for step, w in zip(steps, whole, strict=True)]
    if (most := error(*sides)) > LARGEST_ERROR:
        raise PolyheadError(
            f"{subject}: queries and keys do not give the model's pattern (apart by {most:.2g}); this "
            "architecture decides otherwise who attends to whom"
        )
    return [["", coded(side, "<f4")] for side in sides]


def costs(asked: Asked, tokens: Tokens, masses: OfClasses) -> OfClasses:
    """Return what cutting a class of edges at a row costs (nats), with the head's mean output in their place.

    NaN where the row has less than `LEAST_MASS` on the class, or no known next token.
    """
    found = np.full(masses.shape, np.nan, np.float32)
    if asked.mean is None:
        return found
    rows = np.zeros((len(CLASSES), 1, len(tokens)), bool)
    rows[:, 0, 1 : len(masses) + 1] = masses.T >= LEAST_MASS
    rows[:, :, -1] = False
    questions = [
        Question(asked.head, some, (cut_only(name, Fill.MEAN),), asked.mean)
        for name, some in zip(CLASSES, rows, strict=True)
    ]
    contexts = prompt_contexts(tokens[None], asked.vocabulary, asked.definitions.window)
    for place, answer in enumerate(edge_costs(asked.model, contexts, questions)):
        found[np.flatnonzero(rows[place, 0]) - 1, place] = answer[:, 0]
    return found


@torch.inference_mode()
def effects(asked: Asked, shown: Shown) -> dict[str, Any]:
    """Return what the model predicts at every row, `clean` and with the head `ablated` there alone.

    Log probabilities of the next token (NaN where it is not known), and under `predictions` the first five
    tokens and their probabilities.
    """
    (layer, number), tokens = asked.head, torch.from_numpy(shown.tokens).long()
    residual = asked.residual(shown.tokens[: shown.length])
    streams = asked.model.two_streams(layer, number, residual, ablation_change(asked, residual))
    following = torch.cat([tokens, tokens[:1]])[2 : shown.length + 1]
    found, predictions = {}, {}
    for name, stream in zip(("clean", "ablated"), streams, strict=True):
        parts = []
        for logits, token in logits_of(asked.model, stream[0, 1:], following):
            logs = logits.log_softmax(-1)
            parts.append((logs.gather(1, token[:, None])[:, 0], *logs.topk(FIRST_PREDICTIONS)))
        next_logs, first_logs, first = (torch.cat(side).cpu() for side in zip(*parts, strict=True))
        next_logs[len(tokens) - 2 :] = torch.nan
        found[name] = coded(next_logs.numpy(), "<f4")
        shares = (first_logs.exp() * LARGEST["<u2"]).numpy()
        predictions[name] = [coded(first.numpy(), "<u4"), coded(shares, "<u2")]
    return {**found, "predictions": predictions}


def ablation_change(asked: Asked, residual: Residual) -> HeadVectors:
    """Return what an ablation puts in the place of what the head mixes, minus that, at every position."""
    z, values = mixed(asked, residual)
    fills = {Method.BOS: values[:, :1], Method.MEAN: z[:, 1:].mean(1, True), Method.ZERO: torch.zeros_like(z)}
    return fills[asked.method] - z


def mixed(asked: Asked, residual: Residual) -> tuple[HeadVectors, HeadVectors]:
    """Return what the head mixes at every position (`z`), and its values."""
    pattern, values = asked.model.layers[asked.head.layer].read(residual, [asked.head.number])
    return (pattern @ values)[:, 0], values[:, 0]


@torch.inference_mode()
def with_own_mean(asked: Asked, tokens: Tokens) -> Asked:
    """Return what is asked, with the head's mean output over a prompt's own rows."""
    mean = mixed(asked, asked.residual(tokens))[0][0, 1:].mean(0)
    return replace(asked, mean=mean.float().cpu().numpy())
