"""What one head is worth at every position of real text, at about the cost of a second forward pass.

For each destination p on its own: how much does the log probability of the next token, read at p, change when
the head is BOS-ablated at p and nowhere else? An ablation at p changes nothing before p. So a second stream
beside the clean one holds, at every p, what position p would be if it alone were ablated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from polyhead.ablation.patching import Method, head_change, replacement, require_change
from polyhead.model.protocol import AblationModel, Residual, Tokens

TOKENS_AT_ONCE = 4096
POSITIONS_AT_ONCE = 512


@torch.inference_mode()
def single_position_effects(
    model: AblationModel, tokens: Tokens, layer: int, head: int
) -> tuple[Float[Tensor, "batch dest"], Float[Tensor, "batch dest"]]:
    """Return the next token's clean log probability, and its change (nats) under the ablation.

    The head is BOS-ablated at each destination alone, and the token after that destination is read there.
    Destinations are 1 … n−2: position 0 has no row to ablate and position n−1 no next token.
    A negative change means that the head helps there.

    Raises:
        PolyheadError: the ablation changed the head's output nowhere.
    """
    before, after = (
        next_log_probability(model, stream, tokens) for stream in ablated_streams(model, tokens, layer, head)
    )
    return before, after - before


def ablated_streams(model: AblationModel, tokens: Tokens, layer: int, head: int) -> tuple[Residual, Residual]:
    """Return the final streams of the clean run, and of single ablations at every position.

    Raises:
        PolyheadError: the ablation changed the head's output nowhere.
    """
    residual = model.residual_before(layer, tokens)
    change = head_change(model.layers[layer], head, residual, partial(replacement, method=Method.BOS))
    require_change(model, change, layer, head)
    return model.two_streams(layer, head, residual, change)


def next_log_probability(
    model: AblationModel, residual: Residual, tokens: Tokens
) -> Float[Tensor, "batch dest"]:
    """Return the log probability of the token that follows, at positions 1 … n−2."""
    return read_next(model, residual, tokens)[0]


def read_next(
    model: AblationModel, residual: Residual, tokens: Tokens
) -> tuple[Float[Tensor, "batch dest"], Bool[Tensor, "batch dest"]]:
    """Return the next token's log probability, and whether it is the model's first choice, at 1 … n−2."""
    read, following = residual[:, 1:-1].flatten(0, 1), tokens[:, 2:].flatten().to(residual.device)
    probabilities, first = [read.new_empty(0)], [following.new_empty(0, dtype=torch.bool)]
    for some, token in zip(read.split(POSITIONS_AT_ONCE), following.split(POSITIONS_AT_ONCE), strict=True):
        logits = model.logits(some)
        probabilities.append(-functional.cross_entropy(logits, token, reduction="none"))
        first.append(logits.argmax(-1) == token)
    shape = len(tokens), -1 if len(following) else 0
    return torch.cat(probabilities).view(shape), torch.cat(first).view(shape)


@torch.inference_mode()
def effect_rows(
    model: AblationModel,
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
        clean, ablated = ablated_streams(model, tokens, layer, head)
        before, choice = read_next(model, clean, tokens)
        change = next_log_probability(model, ablated, tokens) - before
        parts.append([side.cpu().numpy().ravel() for side in (before.float(), change.float(), choice)])
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
