"""What edges are worth: attention knockout (Geva et al. 2023) at one destination at a time.

The cost of an edit is the clean log probability of the next token minus the edited one, in nats: positive
where the head helps through the edges that are cut. Costs are exact: every edit is run through all layers
above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from polyhead.ablation.real_text import log_probability
from polyhead.attention.behaviours import Context
from polyhead.edges.classes import BEHAVIOURS_OF_MASK, CLASS_BEHAVIOURS, CLASSES, CODE_OF_MASK, mask_matrix
from polyhead.model.head import Head
from polyhead.model.protocol import HeadEdits, Layer, Model, Residual
from polyhead.model.vocabulary import ALL

Masks = Int[Tensor, "dest src"]


class Fill(StrEnum):
    """What takes the place of the mass that is removed: the head's mean output over rows, or that at BOS."""

    MEAN = "mean"
    BOS = "bos"


@dataclass(frozen=True, eq=False)
class Edit:
    """Which edges of a row are cut, by the bitmask of their behaviours, and what takes their place."""

    cut: Bool[ndarray, " mask"]
    fill: Fill


def cut_only(name: str, fill: Fill) -> Edit:
    """Cut one class, or with `all` the whole row."""
    of_class = np.ones(len(CODE_OF_MASK), bool) if name == ALL else CODE_OF_MASK == CLASSES.index(name)  # noqa: SIM300
    return Edit(of_class, fill)


def keep_only(names: Sequence[str], fill: Fill) -> Edit:
    """Cut all but the sink and the edges whose behaviours are all among the named ones."""
    named = np.isin(CLASS_BEHAVIOURS, names)
    only_named = BEHAVIOURS_OF_MASK.any(1) & ~BEHAVIOURS_OF_MASK[:, ~named].any(1)
    return Edit(np.asarray(~only_named & (CODE_OF_MASK != CLASSES.index("sink"))), fill)  # noqa: SIM300


@dataclass(frozen=True)
class Question:
    """One head, the destinations at which it is edited, the edits at each, and the head's mean output."""

    head: Head
    rows: Bool[ndarray, "prompt pos"]
    edits: tuple[Edit, ...]
    mean: Float[ndarray, " d_head"]


Costs = Float[ndarray, "_ _"]
"""Costs (nats), row × edit; rows as `np.nonzero(question.rows)` orders them."""


def changes(
    rows: Float[Tensor, "row src"],
    masks: Int[Tensor, "row src"],
    values: Float[Tensor, "src d_head"],
    edits: Sequence[Edit],
    mean: Float[Tensor, " d_head"],
) -> Float[Tensor, "row edit d_head"]:
    """Return how each edit changes what the head mixes (`z`) at each row.

    From rows of its pattern, the behaviours of their edges, its values and its mean output.
    """
    cut = torch.from_numpy(np.stack([edit.cut for edit in edits])).to(rows.device)
    removed = rows[:, None] * cut[:, masks].transpose(0, 1)
    filled = torch.stack([mean if edit.fill == Fill.MEAN else values[0] for edit in edits])
    return removed.sum(-1, keepdim=True) * filled - removed @ values


@torch.inference_mode()
def edge_costs(
    model: Model,
    prompts: Iterable[Context],
    questions: Sequence[Question],
    report: Callable[[int], None] = lambda done: None,
) -> list[Costs]:
    """Answer all questions in one clean run of every prompt; `report` gets the number of prompts done.

    No question may ask for rows of the last position, which has no next token.
    """
    found = [[np.empty((0, len(question.edits)), np.float32)] for question in questions]
    for number, context in enumerate(prompts):
        here = [place for place, question in enumerate(questions) if question.rows[number].any()]
        parts = _prompt_costs(model, context, [questions[place] for place in here], number) if here else []
        for place, part in zip(here, parts, strict=True):
            found[place].append(part)
        report(number + 1)
    return [np.concatenate(parts) for parts in found]


def _prompt_costs(model: Model, context: Context, questions: Sequence[Question], number: int) -> list[Costs]:
    """Answer questions about one prompt: one clean stream, all edits beside it."""
    tokens = torch.from_numpy(context.tokens).long()
    clean = model.residual_before(0, tokens[None])
    tokens, masks = (one.to(clean.device) for one in (tokens, torch.from_numpy(mask_matrix(context)).long()))
    streams, dests = clean.new_empty(0, clean.shape[-1]), tokens.new_empty(0)
    for depth, layer in enumerate(model.layers):
        here = [question for question in questions if question.head.layer == depth]
        new = _edited(layer, clean, masks, here, number) if here else None
        clean, streams = model.step_with_edits(depth, clean, streams, dests, new)
        dests = dests if new is None else torch.cat([dests, new.dests])
    before = log_probability(model, clean[0, :-1], tokens[1:])
    costs = (before[dests] - log_probability(model, streams, tokens[dests + 1])).cpu().numpy()
    order = sorted(range(len(questions)), key=lambda place: questions[place].head.layer)
    ends = np.cumsum([questions[place].rows[number].sum() * len(questions[place].edits) for place in order])
    parts = dict(zip(order, np.split(costs, ends[:-1]), strict=True))
    return [parts[place].reshape(-1, len(one.edits)) for place, one in enumerate(questions)]


def _edited(
    layer: Layer, clean: Residual, masks: Masks, questions: Sequence[Question], number: int
) -> HeadEdits:
    """Return the edits of a prompt that questions about a layer ask for, row after row."""
    heads, parts = sorted({question.head.number for question in questions}), []
    pattern, of_head = layer.read(clean, heads)
    for question in questions:
        rows = torch.from_numpy(np.flatnonzero(question.rows[number])).to(clean.device)
        place = heads.index(question.head.number)
        values = of_head[0, place]
        mean = torch.from_numpy(question.mean).to(values)
        edited = changes(pattern[0, place, rows], masks[rows], values, question.edits, mean)
        dests = rows.repeat_interleave(len(question.edits))
        parts.append((torch.full_like(dests, question.head.number), edited.flatten(0, 1), dests))
    return HeadEdits(*map(torch.cat, zip(*parts, strict=True)))
