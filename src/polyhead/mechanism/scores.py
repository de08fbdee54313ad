"""The scores of a head as exact sums over pairs of components, one in the query and one in the key.

With the norm's scale frozen, query and key are sums over the components of the stream (and `bias`, the
constants). So every score is Σ over pairs (a, b) of q_a(destination) · k_b(source) / √d_head. Softmax does
not see what is the same for all sources. A contribution therefore counts relative to competing sources: its
attention-weighted mean over the sources of the class that dominates the row, minus that over all others in
view. This is the gradient of the log odds of attending to them.

What a component writes in every prompt alike says nothing about a single one, and such constants are large
and cancel. So its mean over a text (the one of `polyhead.mechanism.replacement`) is counted with `bias`, and
the component is what it writes beyond that (`about_means`). The sum over all pairs stays.

Sources are summed before pairs are formed, so nothing is ever as large as pairs of positions times pairs of
components.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from polyhead.model.components import QKV, HeadReader, StreamParts


def about_means(stream: StreamParts, means: Float[Tensor, "component pos d_model"]) -> StreamParts:
    """Take the mean out of every component but `bias`, which gets the means."""
    parts = torch.cat([stream.parts[:-1] - means, stream.parts[-1:] + means.sum(0)])
    return replace(stream, parts=parts)


def head_inputs(stream: StreamParts, reader: HeadReader) -> QKV:
    """Return queries (over √d_head) and keys by component; the head's constants are in the last, `bias`."""
    read = reader.read(stream.parts / reader.scale(stream.whole))
    for side, constant in zip(read, reader.constants, strict=True):
        side[-1] += constant
    return reader.compared(QKV(*(side.sum(0) for side in read)), read)


def contrast(
    some: Float[Tensor, "row src"], named: Bool[Tensor, "row src"], visible: Bool[Tensor, "row src"]
) -> Float[Tensor, "row src"]:
    """Return the weights of a mean over the named sources minus one over the other visible ones.

    Both means are weighted by attention, from the scores: a row's weights sum to 1 and to −1. Rows without a
    source of either kind get no weights at all.
    """
    two = [some.masked_fill(~(visible & kind), -torch.inf).softmax(-1) for kind in (named, ~named)]
    return (two[0] - two[1]).nan_to_num(0.0)


def contributions(
    query: Float[Tensor, "component row d_head"],
    key: Float[Tensor, "component src d_head"],
    weights: Float[Tensor, "row src"],
) -> Float[Tensor, "row component component"]:
    """Return Σ over sources of weight · q_a · k_b for every row and pair (a, b) of components."""
    met = (weights @ key).permute(1, 2, 0)
    return query.transpose(0, 1) @ met
