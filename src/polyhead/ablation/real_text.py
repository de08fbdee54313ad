"""What one head is worth at every position of real text, at about the cost of a second forward pass.

For each destination p on its own: how much does the log probability of the next token, read at p, change when
the head is BOS-ablated at p and nowhere else? An ablation at p changes nothing before p. So a second stream
beside the clean one holds, at every p, what position p would be if it alone were ablated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from polyhead.ablation.patching import Method, head_change, replacement, require_change
from polyhead.model.protocol import Model, Tokens

TOKENS_AT_ONCE = 4096
LOGITS_AT_ONCE = 512

Vectors = Float[Tensor, "vector d_model"]
OneEach = Int[Tensor, " vector"]
Effects = Float[Tensor, "batch dest"]


def logits_of(
    model: Model, residual: Vectors, tokens: OneEach
) -> Iterator[tuple[Float[Tensor, "some vocabulary"], Int[Tensor, " some"]]]:
    """Yield the logits of final residual vectors, some at a time, with the token that is asked of each."""
    tokens = tokens.to(residual.device)
    for some, token in zip(residual.split(LOGITS_AT_ONCE), tokens.split(LOGITS_AT_ONCE), strict=True):
        yield model.logits(some), token


def log_probability(model: Model, residual: Vectors, tokens: OneEach) -> Float[Tensor, " vector"]:
    """Return the log probability of one token each, read off final residual vectors."""
    parts = logits_of(model, residual, tokens)
    return torch.cat([-functional.cross_entropy(logits, token, reduction="none") for logits, token in parts])


@torch.inference_mode()
def single_position_effects(
    model: Model, tokens: Tokens, layer: int, head: int
) -> tuple[Effects, Effects, Bool[Tensor, "batch dest"]]:
    """Return what a head's BOS ablation at each destination alone does to the token that follows it.

    Its clean log probability, the change of that (nats; negative: the head helps), and whether it is the
    clean run's first choice. Destinations are 1 … n−2: position 0 has no row to ablate and position n−1 no
    next token.

    Raises:
        PolyheadError: the ablation changed the head's output nowhere.
    """
    residual = model.residual_before(layer, tokens)
    change = head_change(model.layers[layer], head, residual, partial(replacement, method=Method.BOS))
    require_change(model, change, layer, head)
    streams = model.two_streams(layer, head, residual, change)
    clean, ablated = (stream[:, 1:-1].flatten(0, 1) for stream in streams)
    following, shape = tokens[:, 2:].flatten(), (len(tokens), tokens.shape[1] - 2)
    before, first = [], []
    for logits, token in logits_of(model, clean, following):
        before.append(-functional.cross_entropy(logits, token, reduction="none"))
        first.append(logits.argmax(-1) == token)
    known = torch.cat(before)
    lost = log_probability(model, ablated, following) - known
    return known.view(shape), lost.view(shape), torch.cat(first).view(shape)


def effect_rows(
    model: Model,
    prompts: Int[ndarray, "prompt pos"],
    layer: int,
    head: int,
    report: Callable[[int], None] = lambda done: None,
) -> pd.DataFrame:
    """Measure every destination of every prompt, some at a time; `report` gets the number done.

    Columns: prompt, position, logprob (clean, of the token at position + 1), delta_logprob (nats), first
    (whether that token is the clean run's first choice).
    """
    parts, batch = [], max(1, TOKENS_AT_ONCE // prompts.shape[1])
    for start in range(0, len(prompts), batch):
        tokens = torch.from_numpy(prompts[start : start + batch]).long()
        sides = single_position_effects(model, tokens, layer, head)
        parts.append([side.cpu().numpy().ravel() for side in sides])
        report(start + len(tokens))
    logprob, delta, first = (np.concatenate(side) for side in zip(*parts, strict=True))
    positions = np.arange(1, prompts.shape[1] - 1, dtype=np.int32)
    return pd.DataFrame(
        {
            "prompt": np.repeat(np.arange(len(prompts), dtype=np.int32), len(positions)),
            "position": np.tile(positions, len(prompts)),
            "logprob": logprob,
            "delta_logprob": delta,
            "first": first,
        }
    )
