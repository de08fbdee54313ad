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

from polyhead.model.attend import LayerQKV, attend_from
from polyhead.model.layer import AttentionLayer, causal_mask
from polyhead.model.protocol import Changes, Dests, Edited, LastResiduals, Mixed, Residual


def two_streams(layer: AttentionLayer, clean: Residual, single: Residual) -> tuple[Residual, Residual]:
    """Run a layer on the clean stream and on the one that holds each position as if it alone were ablated."""
    both, own = layer.qkv(torch.cat([clean, single])).halves()
    z = attend_from(own, both, torch.arange(clean.shape[1], device=clean.device))
    written, own_written = layer.write(torch.cat([both.mix(), z])).chunk(2)
    return clean + written, single + own_written


def step_with_edits(
    layer: AttentionLayer, clean: Residual, edited: Edited, dests: Dests
) -> tuple[Residual, Edited]:
    """Run a layer on the clean stream of one prompt, and on edited vectors, each at one destination."""
    if not len(dests):
        return layer(clean), edited
    qkv, own = layer.qkv(clean), layer.qkv(edited[None])
    return clean + layer.write(qkv.mix()), edited + layer.write(attend_from(own, qkv, dests))[0]


@dataclass(frozen=True)
class SharedPrefix:
    """What all ablations in one layer share: the stream after that layer, and the layers above, unablated."""

    layer: AttentionLayer
    after: Residual
    above: Sequence[AttentionLayer]
    clean: list[LayerQKV]
    """Of the layers above."""

    @property
    def n_positions(self) -> int:
        return self.after.shape[1]

    def last_residuals(self, heads: Sequence[int], changes: Changes, dests: Sequence[int]) -> LastResiduals:
        runs = zip(heads, changes.unbind(1), dests, strict=True)
        return torch.stack([self.last_residual(*run) for run in runs], 1)

    def last_residual(self, head: int, change: Mixed, dest: int) -> Float[Tensor, "batch d_model"]:
        stream = self.after[:, dest:].clone()
        stream[:, 0] += self.layer.write_head(change, head)
        changed = 1  # of the positions from `dest` on: that one in the first layer above, all of them later
        for number, (layer, clean) in enumerate(zip(self.above, self.clean, strict=True), 1):
            read = 1 if number == len(self.above) else stream.shape[1]  # of the top layer only the last one
            stream = run_changed(layer, clean, stream, changed, read)
            changed = stream.shape[1]
        return stream[:, -1]


def share_prefix(layer: AttentionLayer, above: Sequence[AttentionLayer], residual: Residual) -> SharedPrefix:
    """Run a layer and those above it, keeping queries, keys and values above it."""
    after = stream = layer(residual)
    clean = []
    for number, one in enumerate(above, 1):
        clean.append(one.qkv(stream))
        if number < len(above):
            stream = stream + one.write(clean[-1].mix())
    return SharedPrefix(layer, after, above, clean)


def run_changed(
    layer: AttentionLayer, clean: LayerQKV, stream: Residual, changed: int, read: int
) -> Float[Tensor, "batch read d_model"]:
    """Run a layer on the last positions of a stream and return its last `read` positions.

    The first `changed` of the given positions differ from the clean run; all before them do not.
    """
    total = clean.query.shape[2]
    dest = total - stream.shape[1]
    x = layer.ln1(stream[:, :changed])
    key, value = (
        torch.cat([old[:, :, :dest], layer.split(side(x)), old[:, :, dest + changed :]], 2)
        for old, side in ((clean.key, layer.attn.k), (clean.value, layer.attn.v))
    )
    asking = x[:, -read:] if changed >= read else x
    query = torch.cat([layer.split(layer.attn.q(asking)), clean.query[:, :, dest + changed :]], 2)
    z = functional.scaled_dot_product_attention(
        query[:, :, -read:], key, value, attn_mask=~causal_mask(total, stream.device)[-read:]
    )
    return stream[:, -read:] + layer.write(z)
