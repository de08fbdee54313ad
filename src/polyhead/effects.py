"""What one head is worth at every position of real text, at about the cost of a second forward pass.

For each destination p on its own: how much does the log probability of the next token, read at p, change when
the head is BOS-ablated at p and nowhere else? An ablation at p changes nothing before p. So a second stream
beside the clean one holds, at every p, what position p would be if it alone were ablated: above the head's layer
its queries ask the clean keys and values for all j < p and its own for j = p.
"""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from polyhead.ablation import Kind, head_change, replacement, require_change
from polyhead.transformer import AttentionLayer, AttentionOnly, Residual, causal_mask

QUERIES_AT_ONCE = 128
POSITIONS_AT_ONCE = 512


@torch.inference_mode()
def single_position_effects(
    model: AttentionOnly, tokens: Int[Tensor, "batch pos"], layer: int, head: int
) -> tuple[Float[Tensor, "batch dest"], Float[Tensor, "batch dest"]]:
    """Return the next token's clean log probability and its change (nats) under BOS ablation at that position.

    Destinations are 1 … n−2: position 0 has no row to ablate and position n−1 no next token.
    A negative change means that the head helps there.

    Raises:
        PolyheadError: the ablation changed the head's output nowhere.
    """
    residual = model.residual_before(layer, tokens)
    change = head_change(model.layers[layer], head, residual, partial(replacement, kind=Kind.BOS))
    require_change(change, layer, head)
    clean = model.layers[layer](residual)
    single = clean + change
    for above in model.layers[layer + 1 :]:
        clean, single = two_streams(above, clean, single)
    before, after = (next_log_probability(model, stream, tokens) for stream in (clean, single))
    return before, after - before


def two_streams(layer: AttentionLayer, clean: Residual, single: Residual) -> tuple[Residual, Residual]:
    """Run a layer on the clean stream and on the one that holds each position as if it alone were ablated."""
    x = layer.norm(torch.cat([clean, single]))
    (query, own_query), (key, own_key), (value, own_value) = (
        layer.split(side(x)).chunk(2) for side in (layer.query, layer.key, layer.value)
    )
    z = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    own_z = attend_alone(own_query, key, value, own_key, own_value)
    written, own_written = layer.write(torch.cat([z, own_z])).chunk(2)
    return clean + written, single + own_written


Side = Float[Tensor, "batch head pos d_head"]


def attend_alone(query: Side, key: Side, value: Side, own_key: Side, own_value: Side) -> Side:
    """Return attention whose destination p sees `key` and `value` at j < p, its own at j = p."""
    z = torch.empty_like(query)
    own_score = (query * own_key).sum(-1)
    for first in range(0, query.shape[2], QUERIES_AT_ONCE):
        end = min(first + QUERIES_AT_ONCE, query.shape[2])
        scores = query[:, :, first:end] @ key[:, :, :end].mT
        block = scores[..., first:end]
        block.masked_fill_(causal_mask(end - first), -torch.inf)
        block.diagonal(dim1=-2, dim2=-1).copy_(own_score[:, :, first:end])
        weights = scores.mul_(query.shape[-1] ** -0.5).softmax(-1)
        own = weights[..., first:end].diagonal(dim1=-2, dim2=-1)[..., None]
        z[:, :, first:end] = weights @ value[:, :, :end] + own * (own_value - value)[:, :, first:end]
    return z


def next_log_probability(
    model: AttentionOnly, residual: Residual, tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch dest"]:
    """Return the log probability of the token that follows, at positions 1 … n−2."""
    read, following = residual[:, 1:-1].flatten(0, 1), tokens[:, 2:].flatten()
    parts = []
    for some, token in zip(read.split(POSITIONS_AT_ONCE), following.split(POSITIONS_AT_ONCE), strict=True):
        logits = model.logits(some)
        parts.append(logits.gather(-1, token[:, None])[:, 0] - logits.logsumexp(-1))
    return torch.cat(parts).view(len(tokens), -1)
