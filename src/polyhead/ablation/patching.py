"""Ablate one head at one destination at a time, and read the answer at the end of the prompt.

BOS ablation (Janiak, Mathwin, Heimersheim 2023): row p of the head's pattern becomes one-hot at BOS, so that
the head writes the value vector at BOS there. The plain way is one full run with a hook for every p. Here
these runs share what does not change (`polyhead.model.protocol`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.model.head import Head
from polyhead.model.protocol import (
    Changes,
    CleanRun,
    HeadVectors,
    Layer,
    Model,
    Residual,
    Tokens,
)

Rows = Float[Tensor, "batch dest src"]
Edit = Callable[[Rows], Rows]
"""Takes a head's pattern and returns one whose rows are all ablated."""

PROMPTS_AT_ONCE = 32
CHANGED_AT_ONCE = 2048
"""Positions that ablations change, of all prompts together, that run through the layers at a time."""


class Method(StrEnum):
    """What takes the place of a destination's row of the pattern."""

    BOS = "bos"
    """All attention on BOS: the post's ablation."""
    ZERO = "zero"
    """No attention at all: the head writes nothing."""
    MEAN = "mean"
    """The mean of the prompts' rows at that position: what the head does there in all of them is kept."""
    RESAMPLE = "resample"
    """The head's row at the same position of another text: what it does there in any text is kept."""


def replacement(pattern: Rows, method: Method | str, donors: Rows | None = None) -> Rows:
    """Return a pattern in which every row is the one that an ablation puts there.

    `donors`: the head's pattern on other texts of the same length, one for each prompt; for `RESAMPLE`.
    """
    rows = torch.zeros_like(pattern)
    match Method(method):
        case Method.BOS:
            rows[:, :, 0] = 1
        case Method.MEAN:
            rows = pattern.mean(0, keepdim=True).expand_as(pattern)
        case Method.RESAMPLE:
            if donors is None:
                raise PolyheadError("method resample needs other texts, whose rows it puts there; none given")
            rows = donors
    return rows


def donor_texts(
    texts: Int[ndarray, "text _"] | None, prompts: int, length: int, seed: int
) -> Int[ndarray, "prompt pos"]:
    """Draw a text for every prompt, cut to the prompts' length, so that rows at a position are equally long.

    Texts, BOS first, are drawn without repetition where there are enough.

    Raises:
        PolyheadError: there are no texts that long.
    """
    if texts is None or not len(texts) or texts.shape[1] < length:
        raise PolyheadError(
            f"method resample takes rows from other texts of at least {length} tokens, and there are none: "
            "raise `context`, or leave resample out of ablation.methods"
        )
    rng = np.random.default_rng(seed)
    return texts[rng.choice(len(texts), prompts, replace=len(texts) < prompts), :length]


def without_edge(pattern: Rows, source: int) -> Rows:
    """Return the pattern with the weight on one source moved to BOS, all other weights kept."""
    edited = pattern.clone()
    edited[:, :, 0] += pattern[:, :, source]
    edited[:, :, source] = 0
    return edited


def head_pattern(model: Model, tokens: Tokens, layer: int, head: int) -> Rows:
    """Return the pattern of one head."""
    return model.layers[layer].pattern(model.residual_before(layer, tokens), [head])[:, 0]


def head_change(layer: Layer, head: int, residual: Residual, edit: Edit) -> HeadVectors:
    """Return what the head mixes (`z`) under the edited pattern minus what it mixes, at every destination."""
    pattern, values = layer.read(residual, [head])
    return (edit(pattern[:, 0]) - pattern[:, 0]) @ values[:, 0]


def require_change(model: Model, change: HeadVectors, layer: int, head: int) -> None:
    """Refuse an ablation that does nothing to what the head writes.

    Raises:
        PolyheadError: the head's output is what it was at every destination of every prompt.
    """
    if not model.layers[layer].write_head(change[:, 1:], head).any():
        raise PolyheadError(
            f"the ablation did not change the output of head {layer}.{head} at any destination of "
            f"{len(change)} prompts: either its rows already are what should replace them, or it writes the "
            "same wherever it attends"
        )


@contextmanager
def error_context(subject: str) -> Iterator[None]:
    """Say in a `PolyheadError` from the block what it is about: model, task, method."""
    try:
        yield
    except PolyheadError as error:
        raise PolyheadError(f"{subject}: {error}") from error


@dataclass(frozen=True)
class Outcome:
    """The answer's probability and rank (0: the model's first choice), per prompt and run.

    Run 0 is the clean one, run p ≥ 1 the one ablated at destination p.
    """

    probability: Float[Tensor, "batch run"]
    rank: Int[Tensor, "batch run"]


def read_answer(
    model: Model, residual: Float[Tensor, "batch run d_model"], answers: Int[Tensor, " batch"]
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
    model: Model,
    tokens: Tokens,
    answers: Int[Tensor, " batch"],
    head: Head,
    edit: Method | str | Edit,
    *,
    destinations: list[int] | None = None,
    donors: Tokens | None = None,
) -> Outcome:
    """Return the outcome of the clean run and of an ablation at each destination (default: all from 1 on).

    `donors` are other texts of the same length, one for each prompt, whose rows `RESAMPLE` puts there.

    Raises:
        PolyheadError: a method (an edit may) changed the head's output nowhere.
    """
    layer, number = head
    given = None if donors is None else head_pattern(model, donors, layer, number)
    rows = edit if callable(edit) else partial(replacement, method=edit, donors=given)
    destinations = destinations or list(range(1, tokens.shape[1]))
    residual = model.residual_before(layer, tokens)
    change = head_change(model.layers[layer], number, residual, rows)
    if not callable(edit):
        require_change(model, change, layer, number)
    change, heads = change[:, destinations], [number] * len(destinations)
    parts = [
        ablated_runs(model.clean_runs(layer, stream)[0], heads, some, destinations)
        for stream, some in zip(residual.split(PROMPTS_AT_ONCE), change.split(PROMPTS_AT_ONCE), strict=True)
    ]
    return read_answer(model, torch.cat(parts), answers)


def ablated_runs(
    clean: CleanRun,
    heads: Sequence[int],
    changes: Changes,
    destinations: Sequence[int],
    progress: Callable[[Sequence[slice]], Iterable[slice]] = iter,
) -> Float[Tensor, "batch run d_model"]:
    """Return final residual streams at the last position: of the clean run, then of each ablation.

    Each changes the `z` of its head at its destination. They run some at a time, of about equal cost, with
    `progress` around.
    """
    runs = [clean.last_residuals([0], torch.zeros_like(changes[:, :1]), [clean.n_positions - 1])]
    costs = len(changes) * (clean.n_positions - np.array(destinations))
    cuts = np.flatnonzero(np.diff(costs.cumsum() // CHANGED_AT_ONCE)) + 1
    groups = [slice(*ends) for ends in pairwise([0, *cuts.tolist(), len(costs)])]
    runs += [clean.last_residuals(heads[g], changes[:, g], destinations[g]) for g in progress(groups)]
    return torch.cat(runs, 1)
