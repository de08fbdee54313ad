"""What the edges of a class are worth: cut at one destination alone, and the next token is read there.

The cost of an edit is the clean log probability of the next token minus the edited one, in nats: positive
where the head helps through these edges. What takes the place of the removed mass matters, so there are three
ways to fill it (`Fill`). Costs are exact: every edit is run through all layers above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from polyhead.attention.behaviours import Context
from polyhead.attention.edge_classes import CLASSES, Partition, class_matrix
from polyhead.model.head import Head
from polyhead.model.protocol import AblationModel, Edited, HeadEdits, Layer, Residual

Tokens = Int[Tensor, " pos"]
Codes = UInt8[Tensor, "row src"]

LOGITS_AT_ONCE = 512
LEAST_LEFT = 1e-3
"""Less mass than this is not scaled up to 1: a row that is left without any edge writes nothing."""


class Fill(StrEnum):
    """What takes the place of the mass that is removed."""

    MEAN = "mean"
    """The head's mean output over rows: neutral."""
    BOS = "bos"
    """The value at BOS: the post's."""
    RESCALED = "rescaled"
    """The other edges, scaled up."""


@dataclass(frozen=True)
class Edit:
    """Classes of edges that are cut, and what takes the place of their mass."""

    cut: tuple[str, ...]
    method: Fill


ALL_CLASSES = CLASSES
"""Cut together they are the ablation of the whole row."""


def cut_only(name: str, method: Fill) -> Edit:
    """Cut one class, or with `all` the whole row."""
    return Edit(ALL_CLASSES if name == "all" else (name,), method)


def keep_only(names: Sequence[str], method: Fill) -> Edit:
    """Cut every class but the named ones and `rest`."""
    return Edit(tuple(name for name in CLASSES if name not in {*names, "rest"}), method)


@dataclass(frozen=True)
class Question:
    """One head, the destinations at which it is edited, and the edits that are made at each."""

    head: Head
    rows: Bool[ndarray, "prompt pos"]
    edits: tuple[Edit, ...]
    mean: Float[ndarray, " d_head"]


@dataclass(frozen=True)
class Answer:
    """Costs (nats) and masses of a question's rows, in the order of `np.nonzero(question.rows)`."""

    costs: Float[ndarray, "row edit"]
    masses: Float[ndarray, "row class"]


@dataclass(frozen=True)
class Parts:
    """One head's rows taken apart by class: mass on it, and what it contributes to the output `z`."""

    masses: Float[Tensor, "row class"]
    outputs: Float[Tensor, "row class d_head"]


def parts_by_class(
    rows: Float[Tensor, "row src"], codes: Codes, values: Float[Tensor, "src d_head"]
) -> Parts:
    """Take rows of a pattern apart by the class of their edges; the parts of a row sum to the whole."""
    of_class = torch.stack([rows * (codes == code) for code in range(len(CLASSES))], 1)
    return Parts(of_class.sum(-1), of_class @ values)


def changes(
    parts: Parts,
    edits: Sequence[Edit],
    mean: Float[Tensor, " d_head"],
    at_bos: Float[Tensor, " d_head"],
) -> Float[Tensor, "row edit d_head"]:
    """Return how each edit changes the head's output `z` at each row."""
    cut = torch.tensor([[name in edit.cut for name in CLASSES] for edit in edits]).to(parts.masses)
    mass, gone = (parts.masses @ cut.T)[..., None], cut @ parts.outputs
    z = parts.outputs.sum(1, keepdim=True)
    left = (parts.masses.sum(-1)[:, None, None] - mass).clamp_min(LEAST_LEFT)
    filled = {
        Fill.MEAN: mass * mean - gone,
        Fill.BOS: mass * at_bos - gone,
        Fill.RESCALED: (z - gone) / left - z,
    }
    return torch.stack([filled[edit.method][:, place] for place, edit in enumerate(edits)], 1)


@torch.inference_mode()
def edge_costs(
    model: AblationModel,
    prompts: Iterable[Context],
    questions: Sequence[Question],
    report: Callable[[int], None] = lambda done: None,
    partition: Partition = class_matrix,
) -> list[Answer]:
    """Answer all questions in one clean run of every prompt; `report` gets the number of prompts done.

    No question may ask for rows of the last position, which has no next token.
    """
    answers = [[_nothing(question)] for question in questions]
    for number, context in enumerate(prompts):
        here = [place for place, question in enumerate(questions) if question.rows[number].any()]
        if here:
            tokens = torch.from_numpy(context.tokens).long()
            some = [questions[place] for place in here]
            parts = _prompt_answers(model, tokens, torch.from_numpy(partition(context)), some, number)
            for place, part in zip(here, parts, strict=True):
                answers[place].append(part)
        report(number + 1)
    return [
        Answer(np.concatenate([p.costs for p in parts]), np.concatenate([p.masses for p in parts]))
        for parts in answers
    ]


def _nothing(question: Question) -> Answer:
    return Answer(np.empty((0, len(question.edits)), np.float32), np.empty((0, len(CLASSES)), np.float32))


def _prompt_answers(
    model: AblationModel, tokens: Tokens, codes: Codes, questions: Sequence[Question], number: int
) -> list[Answer]:
    """Answer questions about one prompt: one clean stream, all edits beside it."""
    clean = model.residual_before(0, tokens[None])
    tokens, codes = tokens.to(clean.device), codes.to(clean.device)
    streams, dests = clean.new_empty(0, clean.shape[-1]), tokens.new_empty(0)
    masses, places = {}, {}
    for depth, layer in enumerate(model.layers):
        here = [place for place, question in enumerate(questions) if question.head.layer == depth]
        found = list(_edited(layer, clean, codes, [questions[place] for place in here], number))
        edits = [edit for _, edit in found]
        clean, streams = model.step_with_edits(depth, clean, streams, dests, edits)
        for place, (mass, edit) in zip(here, found, strict=True):
            masses[place], places[place] = mass, slice(len(dests), len(dests) + len(edit.dests))
            dests = torch.cat([dests, edit.dests])
    before = log_probability(model, clean[0, :-1], tokens[1:])
    costs = before[dests] - log_probability(model, streams, tokens[dests + 1])
    return [
        Answer(costs[places[place]].view(-1, len(question.edits)).cpu().numpy(), masses[place].cpu().numpy())
        for place, question in enumerate(questions)
    ]


def _edited(
    layer: Layer, clean: Residual, codes: Codes, questions: Sequence[Question], number: int
) -> Iterator[tuple[Float[Tensor, "row class"], HeadEdits]]:
    """Yield the masses of each question's rows of a prompt, and its edits, row after row."""
    heads = sorted({question.head.number for question in questions})
    pattern, of_head = layer.read(clean, heads) if heads else (clean, clean)
    for question in questions:
        rows = torch.from_numpy(np.flatnonzero(question.rows[number])).to(clean.device)
        place = heads.index(question.head.number)
        values = of_head[0, place]
        parts = parts_by_class(pattern[0, place, rows], codes[rows], values)
        edited = changes(parts, question.edits, torch.from_numpy(question.mean).to(values), values[0])
        dests = rows.repeat_interleave(len(question.edits))
        yield parts.masses, HeadEdits(question.head.number, edited.flatten(0, 1), dests)


def log_probability(
    model: AblationModel, residual: Edited, tokens: Int[Tensor, " edit"]
) -> Float[Tensor, " edit"]:
    """Return the log probability of one token each, read off final residual streams."""
    parts = zip(residual.split(LOGITS_AT_ONCE), tokens.split(LOGITS_AT_ONCE), strict=True)
    return torch.cat(
        [-functional.cross_entropy(model.logits(some), token, reduction="none") for some, token in parts]
    )
