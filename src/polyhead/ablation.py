"""Ablate one head at one destination at a time, and read the answer at the end of the prompt.

BOS ablation (Janiak, Mathwin, Heimersheim 2023): row p of the head's pattern becomes one-hot at BOS, so that
the head writes the value vector at BOS there. The plain way is one full run with a hook for every p. Here,
what these runs have in common is computed once: an ablation at p changes one vector after the head's layer,
the one at p; above it only positions ≥ p; and at the end only the last position is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from polyhead.errors import PolyheadError
from polyhead.transformer import AttentionLayer, AttentionOnly, Residual, causal_mask

Rows = Float[Tensor, "batch dest src"]
Edit = Callable[[Rows], Rows]
"""Takes a head's pattern and returns one whose rows are all ablated."""
Sides = tuple[Tensor, Tensor, Tensor]
"""Queries, keys and values of one layer, each (batch, head, pos, d_head)."""

PROMPTS_AT_ONCE = 32


class Kind(StrEnum):
    """What takes the place of a destination's row of the pattern.

    On prompts of one template, `MEAN` and `RESAMPLE` keep what the head does at that position in all of them:
    they ask what it adds in each prompt, the other two what it is worth at all.
    """

    BOS = "bos"
    """All attention on BOS: the post's ablation."""
    ZERO = "zero"
    """No attention at all: the head writes nothing."""
    MEAN = "mean"
    """The mean of the prompts' rows at that position."""
    RESAMPLE = "resample"
    """The row of another prompt at that position, drawn with a seed."""


def replacement(pattern: Rows, kind: Kind | str, seed: int = 0) -> Rows:
    """Return a pattern in which every row is the one that an ablation puts there."""
    match Kind(kind):
        case Kind.BOS:
            rows = torch.zeros_like(pattern)
            rows[:, :, 0] = 1
            return rows
        case Kind.ZERO:
            return torch.zeros_like(pattern)
        case Kind.MEAN:
            return pattern.mean(0, keepdim=True).expand_as(pattern)
        case Kind.RESAMPLE:
            return pattern[donors(len(pattern), seed)]


def donors(prompts: int, seed: int) -> Int[Tensor, " prompt"]:
    """Return for every prompt another one, each used once: a random cycle through all prompts."""
    order = torch.randperm(prompts, generator=torch.Generator().manual_seed(seed))
    donor = torch.empty_like(order)
    donor[order] = order.roll(1)
    return donor


def without_edge(pattern: Rows, source: int) -> Rows:
    """Return the pattern with the weight on `source` moved to BOS, all other weights kept."""
    edited = pattern.clone()
    edited[:, :, 0] += pattern[:, :, source]
    edited[:, :, source] = 0
    return edited


def head_change(layer: AttentionLayer, head: int, residual: Residual, edit: Edit) -> Residual:
    """Return what the head writes under the edited pattern minus what it writes, at every destination."""
    rows = layer.pattern(residual, [head])[:, 0]
    own = slice(head * layer.d_head, (head + 1) * layer.d_head)
    value = functional.linear(layer.norm(residual), layer.value.weight[own], layer.value.bias[own])
    return functional.linear((edit(rows) - rows) @ value, layer.output.weight[:, own])


def require_change(change: Residual, layer: int, head: int) -> None:
    """Refuse an ablation that does nothing.

    Raises:
        PolyheadError: the head's output is what it was at every destination of every prompt.
    """
    if not change[:, 1:].any():
        raise PolyheadError(
            f"the ablation did not change the output of head {layer}.{head} at any destination of "
            f"{len(change)} prompts: either its rows already are what should replace them, or it writes the "
            "same wherever it attends"
        )


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Say in a `PolyheadError` from the block what it is about: model, task, kind."""
    try:
        yield
    except PolyheadError as error:
        raise PolyheadError(f"{subject}: {error}") from error


@dataclass(frozen=True)
class CleanRun:
    """What all ablations in one layer share: the stream after that layer, and the layers above, unablated."""

    after: Residual
    above: tuple[AttentionLayer, ...]
    sides: list[Sides]


def clean_run(model: AttentionOnly, layer: int, residual: Residual) -> CleanRun:
    """Run the model from the residual stream before `layer`, keeping queries, keys and values above it."""
    after = stream = model.layers[layer](residual)
    above, sides = model.layers[layer + 1 :], []
    for number, one in enumerate(above, 1):
        x = one.norm(stream)
        sides.append(tuple(one.split(side(x)) for side in (one.query, one.key, one.value)))
        if number < len(above):
            stream = stream + one.write(functional.scaled_dot_product_attention(*sides[-1], is_causal=True))
    return CleanRun(after, above, sides)


def last_residual(
    clean: CleanRun, change: Float[Tensor, "batch d_model"], dest: int
) -> Float[Tensor, "batch d_model"]:
    """Return the last position's final residual stream when the layer's output differs at `dest` alone."""
    stream = clean.after[:, dest:].clone()
    stream[:, 0] += change
    changed = 1  # of the positions from `dest` on: just that one in the first layer above, all of them later
    for number, (layer, sides) in enumerate(zip(clean.above, clean.sides, strict=True), 1):
        read = 1 if number == len(clean.above) else stream.shape[1]  # of the top layer only the last position
        stream = _continue(layer, sides, stream, changed, read)
        changed = stream.shape[1]
    return stream[:, -1]


def _continue(
    layer: AttentionLayer, clean: Sides, stream: Residual, changed: int, read: int
) -> Float[Tensor, "batch read d_model"]:
    """Run a layer on the last positions of a stream and return its last `read` positions.

    The first `changed` of the given positions differ from the clean run; all before them do not.
    """
    total = clean[0].shape[2]
    dest = total - stream.shape[1]
    x = layer.norm(stream[:, :changed])
    key, value = (
        torch.cat([old[:, :, :dest], layer.split(side(x)), old[:, :, dest + changed :]], 2)
        for old, side in ((clean[1], layer.key), (clean[2], layer.value))
    )
    asking = x[:, -read:] if changed >= read else x
    query = torch.cat([layer.split(layer.query(asking)), clean[0][:, :, dest + changed :]], 2)[:, :, -read:]
    z = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=~causal_mask(total, stream.device)[-read:]
    )
    return stream[:, -read:] + layer.write(z)


@dataclass(frozen=True)
class Outcome:
    """The answer's probability and rank (0: the model's first choice), per prompt and run.

    Run 0 is the clean one, run p ≥ 1 the one ablated at destination p.
    """

    probability: Float[Tensor, "batch run"]
    rank: Int[Tensor, "batch run"]


def read_answer(
    model: AttentionOnly, residual: Float[Tensor, "batch run d_model"], answers: Int[Tensor, " batch"]
) -> Outcome:
    """Read the answers' probabilities and ranks off final residual streams."""
    probability, rank = [], []
    for streams, answer in zip(residual, answers, strict=True):
        logits = model.logits(streams)
        of_answer = logits[:, answer, None]
        probability.append((of_answer[:, 0] - logits.logsumexp(-1)).exp())
        rank.append((logits > of_answer).sum(-1))
    return Outcome(torch.stack(probability), torch.stack(rank))


@torch.inference_mode()
def ablate(
    model: AttentionOnly,
    tokens: Int[Tensor, "batch pos"],
    answers: Int[Tensor, " batch"],
    layer: int,
    head: int,
    edit: Kind | str | Edit,
    destinations: list[int] | None = None,
    seed: int = 0,
) -> Outcome:
    """Return the outcome of the clean run and of an ablation at each destination (default: all from 1 on).

    Raises:
        PolyheadError: the ablation changed the head's output nowhere.
    """
    rows = edit if callable(edit) else partial(replacement, kind=edit, seed=seed)
    destinations = destinations if destinations is not None else list(range(1, tokens.shape[1]))
    residual = model.residual_before(layer, tokens)
    change = head_change(model.layers[layer], head, residual, rows)
    require_change(change, layer, head)
    change = change[:, destinations]
    parts = [
        ablated_runs(clean_run(model, layer, stream), some, destinations)
        for stream, some in zip(residual.split(PROMPTS_AT_ONCE), change.split(PROMPTS_AT_ONCE), strict=True)
    ]
    return read_answer(model, torch.cat(parts), answers)


def ablated_runs(
    clean: CleanRun, changes: Float[Tensor, "batch ablation d_model"], destinations: list[int]
) -> Float[Tensor, "batch run d_model"]:
    """Return final residual streams at the last position: of the clean run, then of each ablation."""
    last = clean.after.shape[1] - 1
    runs = [last_residual(clean, torch.zeros_like(changes[:, 0]), last)]
    runs += [last_residual(clean, changes[:, i], dest) for i, dest in enumerate(destinations)]
    return torch.stack(runs, 1)
