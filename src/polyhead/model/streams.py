"""The layers above an ablation at a single position, without running them anew for every position.

An ablation at p changes one vector after the head's layer, the one at p; above it only positions ≥ p. Three
uses of that:

- Effects read at p itself, for all p at once. A second stream beside the clean one holds, at every p, what
  position p would be if it alone were ablated: its queries ask the clean keys and values for all j < p and
  its own for j = p (`two_streams`).
- The same for many edits of one prompt, each at its own destination: the clean stream runs once, beside it
  one vector for every edit (`step_with_edits`).
- Effects read at the last position. Keys and values before p are those of the clean run, which all ablations
  share (`SharedPrefix`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from polyhead.model.layer import AttentionLayer, Side, causal_mask
from polyhead.model.protocol import Dests, Edited, LastResidual, Mixed, Residual

CleanSide = Float[Tensor, "batch head total d_head"]
CleanSides = tuple[CleanSide, CleanSide, CleanSide]
"""Queries, keys and values of a layer in the clean run, at all positions."""

Own = Float[Tensor, "head edit d_head"]
OfPrompt = Float[Tensor, "head pos d_head"]

QUERIES_AT_ONCE = 128
EDITS_AT_ONCE = 128


def two_streams(layer: AttentionLayer, clean: Residual, single: Residual) -> tuple[Residual, Residual]:
    """Run a layer on the clean stream and on the one that holds each position as if it alone were ablated."""
    sides = layer.sides(layer.ln1(torch.cat([clean, single])))
    (query, own_query), (key, own_key), (value, own_value) = (side.chunk(2) for side in sides)
    z = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    own_z = attend_alone(own_query, key, value, own_key, own_value)
    written, own_written = layer.write(torch.cat([z, own_z])).chunk(2)
    return clean + written, single + own_written


def attend_alone(query: Side, key: Side, value: Side, own_key: Side, own_value: Side) -> Side:
    """Return attention whose destination p sees `key` and `value` at j < p, its own at j = p."""
    z = torch.empty_like(query)
    own_score = (query * own_key).sum(-1)
    for first in range(0, query.shape[2], QUERIES_AT_ONCE):
        end = min(first + QUERIES_AT_ONCE, query.shape[2])
        scores = query[:, :, first:end] @ key[:, :, :end].mT
        block = scores[..., first:end]
        block.masked_fill_(causal_mask(end - first, query.device), -torch.inf)
        block.diagonal(dim1=-2, dim2=-1).copy_(own_score[:, :, first:end])
        weights = scores.mul_(query.shape[-1] ** -0.5).softmax(-1)
        own = weights[..., first:end].diagonal(dim1=-2, dim2=-1)[..., None]
        z[:, :, first:end] = weights @ value[:, :, :end] + own * (own_value - value)[:, :, first:end]
    return z


def step_with_edits(
    layer: AttentionLayer, clean: Residual, edited: Edited, dests: Dests
) -> tuple[Residual, Edited]:
    """Run a layer on the clean stream of one prompt, and on vectors that each stand at one destination."""
    if not len(dests):
        return layer(clean), edited
    sides = layer.sides(layer.ln1(clean))
    query, key, value = (side[0] for side in layer.sides(layer.ln1(edited)[None]))
    z = functional.scaled_dot_product_attention(*sides, is_causal=True)
    own_z = attend_from(query, key, value, sides[1][0], sides[2][0], dests)
    return clean + layer.write(z), edited + layer.write(own_z[None])[0]


def attend_from(
    own_query: Own, own_key: Own, own_value: Own, key: OfPrompt, value: OfPrompt, dests: Dests
) -> Own:
    """Return attention of vectors that stand at `dests`: `key` and `value` at j < dest, their own at dest."""
    z = torch.empty_like(own_query)
    own_score = (own_query * own_key).sum(-1)
    for some in dests.argsort().split(EDITS_AT_ONCE):
        dest, at = dests[some], torch.arange(len(some), device=dests.device)
        end = int(dest[-1]) + 1
        scores = own_query[:, some] @ key[:, :end].mT
        scores.masked_fill_(torch.arange(end, device=dest.device) > dest[:, None], -torch.inf)
        scores[:, at, dest] = own_score[:, some]
        weights = scores.mul_(own_query.shape[-1] ** -0.5).softmax(-1)
        own = weights[:, at, dest][..., None] * (own_value[:, some] - value[:, dest])
        z[:, some] = weights @ value[:, :end] + own
    return z


@dataclass(frozen=True)
class SharedPrefix:
    """What all ablations in one layer share: the stream after that layer, and the layers above, unablated."""

    layer: AttentionLayer
    after: Residual
    above: Sequence[AttentionLayer]
    sides: list[CleanSides]

    @property
    def n_positions(self) -> int:
        """Length of the prompts."""
        return self.after.shape[1]

    def last_residual(self, head: int, change: Mixed, dest: int) -> LastResidual:
        """Return the last position's final stream when a head's `z` differs by `change` at `dest` alone."""
        stream = self.after[:, dest:].clone()
        stream[:, 0] += self.layer.write_head(change, head)
        changed = 1  # of the positions from `dest` on: that one in the first layer above, all of them later
        for number, (layer, sides) in enumerate(zip(self.above, self.sides, strict=True), 1):
            read = 1 if number == len(self.above) else stream.shape[1]  # of the top layer only the last one
            stream = go_on(layer, sides, stream, changed, read)
            changed = stream.shape[1]
        return stream[:, -1]


def share_prefix(layer: AttentionLayer, above: Sequence[AttentionLayer], residual: Residual) -> SharedPrefix:
    """Run a layer and those above it, keeping queries, keys and values above it."""
    after = stream = layer(residual)
    sides = []
    for number, one in enumerate(above, 1):
        sides.append(one.sides(one.ln1(stream)))
        if number < len(above):
            stream = stream + one.write(functional.scaled_dot_product_attention(*sides[-1], is_causal=True))
    return SharedPrefix(layer, after, above, sides)


def go_on(
    layer: AttentionLayer, clean: CleanSides, stream: Residual, changed: int, read: int
) -> Float[Tensor, "batch read d_model"]:
    """Run a layer on the last positions of a stream and return its last `read` positions.

    The first `changed` of the given positions differ from the clean run; all before them do not.
    """
    total = clean[0].shape[2]
    dest = total - stream.shape[1]
    x = layer.ln1(stream[:, :changed])
    key, value = (
        torch.cat([old[:, :, :dest], layer.split(side(x)), old[:, :, dest + changed :]], 2)
        for old, side in ((clean[1], layer.attn.k), (clean[2], layer.attn.v))
    )
    asking = x[:, -read:] if changed >= read else x
    query = torch.cat([layer.split(layer.attn.q(asking)), clean[0][:, :, dest + changed :]], 2)[:, :, -read:]
    z = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=~causal_mask(total, stream.device)[-read:]
    )
    return stream[:, -read:] + layer.write(z)
