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
from polyhead.model.protocol import (
    Changes,
    Dests,
    Edited,
    EditedAfter,
    HeadEdits,
    LastResiduals,
    Mixed,
    Residual,
)


def two_streams(layer: AttentionLayer, clean: Residual, single: Residual) -> tuple[Residual, Residual]:
    """Run a layer on the clean stream and on the one that holds each position as if it alone were ablated."""
    both, own = layer.qkv(torch.cat([clean, single])).halves()
    z = attend_from(own, both, torch.arange(clean.shape[1], device=clean.device))
    written, own_written = layer.write(torch.cat([both.mix(), z])).chunk(2)
    return clean + written, single + own_written


def step_with_edits(
    layer: AttentionLayer, clean: Residual, edited: Edited, dests: Dests, new: HeadEdits | None
) -> tuple[Residual, EditedAfter]:
    """Run a layer on the clean stream of one prompt, and on edited vectors, each at one destination."""
    qkv = layer.qkv(clean)
    z, parts = qkv.mix(), [edited]
    if len(dests):
        parts = [edited + layer.write(attend_from(layer.qkv(edited[None]), qkv, dests))[0]]
    if new is not None:
        parts.append(clean[0, new.dests] + layer.write(new.mixed(z))[0])
    return clean + layer.write(z), torch.cat(parts)


@dataclass(frozen=True)
class SharedPrefix:
    """What all ablations in one layer share: the stream before and after it, and the layers above."""

    layer: AttentionLayer
    before: Residual
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


def share_prefix(layers: Sequence[AttentionLayer], residual: Residual) -> list[SharedPrefix]:
    """Run layers once; return what ablations in each of them share."""
    streams, clean = [residual], []
    for layer in layers:
        clean.append(layer.qkv(streams[-1]))
        streams.append(streams[-1] + layer.write(clean[-1].mix()))
    return [
        SharedPrefix(layer, streams[place], streams[place + 1], layers[place + 1 :], clean[place + 1 :])
        for place, layer in enumerate(layers)
    ]


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
