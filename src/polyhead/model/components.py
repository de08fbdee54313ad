"""The residual stream as a sum of components, and how one head reads it: what `polyhead.mechanism` asks for.

The stream that enters a layer is a sum: token embedding, position embedding, what each earlier head wrote,
biases. With the norm's scale held at its value of the clean run, a head's queries, keys and values are linear
in it (https://transformer-circuits.pub/2021/framework). Another architecture joins by offering
`DecomposableModel`: an MLP is one component more, what becomes of queries and keys before they are compared
is `HeadReader.compared`, keys and values that several heads share are those of the head's group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from polyhead.model.layer import AttentionLayer, causal_mask
from polyhead.model.protocol import AblationModel

Tokens = Int[Tensor, " pos"]
Streams = Float[Tensor, "*more d_model"]
HeadStreams = Float[Tensor, "*more pos d_head"]
Grouping = Literal["heads", "layers"]
"""Whether every earlier head is a component, or the heads of a layer together are."""
EMBED, POS, BIAS = "embed", "pos", "bias"


@dataclass(frozen=True)
class StreamParts:
    """The stream before a layer, at every position of one prompt, taken apart.

    `parts` sum to `whole` up to rounding. The last one is `bias`: what the maps below add to any prompt.
    """

    names: tuple[str, ...]
    parts: Float[Tensor, "component pos d_model"]
    whole: Float[Tensor, "pos d_model"]


class QKV(NamedTuple):
    """A head's queries, keys and values."""

    query: Tensor
    key: Tensor
    value: Tensor


@runtime_checkable
class HeadReader(Protocol):
    """How one head reads the stream: linear, once the norm's scale is given."""

    @property
    def constants(self) -> QKV:
        """What the head reads from an empty stream: biases of the norm and of its own maps (d_head)."""
        ...

    def scale(self, stream: Streams) -> Float[Tensor, "*more 1"]:
        """Return what the norm divides a whole stream by."""
        ...

    def read(self, parts: Streams) -> QKV:
        """Return what the head reads from parts of a stream, divided by its scale, without constants."""
        ...

    def compared(self, whole: QKV, part: QKV) -> QKV:
        """Return parts of queries and keys in the form in which their products are scores.

        Divided by √d_head or what the model has instead, turned by their positions where it turns them, and
        normed by the scale of the whole queries and keys where it norms them.
        """
        ...

    def hidden(self, positions: int) -> Bool[Tensor, "dest src"]:
        """Return the mask of the sources that each destination does not see."""
        ...


@runtime_checkable
class DecomposableModel(AblationModel, Protocol):
    """A model whose stream can be taken apart."""

    def parts(self, tokens: Tokens, layer: int, grouping: Grouping) -> StreamParts:
        """Take the stream before a layer apart."""
        ...

    def reader(self, layer: int, head: int) -> HeadReader:
        """Return how a head reads the stream."""
        ...


def stream_parts(
    embedded: Float[Tensor, "pos d_model"],
    placed: Float[Tensor, "pos d_model"],
    below: Sequence[AttentionLayer],
    grouping: Grouping,
) -> StreamParts:
    """Run attention layers and keep what each head, or each layer, adds: `l.h` or `attn<l>`."""
    names, parts, whole = [EMBED, POS], [embedded[None], placed[None]], embedded + placed
    for number, layer in enumerate(below):
        written = head_outputs(layer, whole)
        whole = whole + written.sum(0) + layer.attn.o.bias
        if grouping == "heads":
            names += [f"{number}.{head}" for head in range(layer.n_heads)]
        else:
            names, written = [*names, f"attn{number}"], written.sum(0, keepdim=True)
        parts.append(written)
    bias = sum((layer.attn.o.bias for layer in below), torch.zeros_like(whole[0]))
    return StreamParts((*names, BIAS), torch.cat([*parts, bias.expand_as(whole)[None]]), whole)


def head_outputs(
    layer: AttentionLayer, stream: Float[Tensor, "pos d_model"]
) -> Float[Tensor, "head pos d_model"]:
    """Return what each head of a layer adds to the stream, without the layer's bias."""
    output = layer.attn.o.weight.unflatten(1, (layer.n_heads, layer.d_head))
    return layer.mix(stream[None])[0] @ output.permute(1, 2, 0)


class LayerNormReader:
    """A head behind a LayerNorm with weights: the stream minus its mean, over its standard deviation."""

    def __init__(self, layer: AttentionLayer, head: int) -> None:
        self.layer, self.own = layer, layer.slice_of(head)

    @cached_property
    def maps(self) -> Float[Tensor, "three_d_head d_model"]:
        """The three maps one below the other, with the norm's weights and its centring in them."""
        weights = torch.cat([side.weight[self.own] for side in self._sides()]) * self.layer.ln1.weight
        return weights - weights.mean(1, keepdim=True)

    @cached_property
    def constants(self) -> QKV:
        """What the head reads from an empty stream."""
        return QKV(
            *(side.weight[self.own] @ self.layer.ln1.bias + side.bias[self.own] for side in self._sides())
        )

    def _sides(self) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
        return self.layer.attn.q, self.layer.attn.k, self.layer.attn.v

    def scale(self, stream: Streams) -> Float[Tensor, "*more 1"]:
        """Return the standard deviation of every vector of the stream."""
        return layer_norm_scale(stream, self.layer.ln1.eps)

    def read(self, parts: Streams) -> QKV:
        """Return queries, keys and values of parts of a stream."""
        return QKV(*functional.linear(parts, self.maps).chunk(3, -1))

    def compared(self, whole: QKV, part: QKV) -> QKV:
        """Divide queries by √d_head; positions are added to the stream, nothing is turned."""
        return part._replace(query=part.query / self.layer.d_head**0.5)

    def hidden(self, positions: int) -> Bool[Tensor, "dest src"]:
        """Return the mask of the sources after each destination."""
        return causal_mask(positions, self.layer.ln1.weight.device)


def layer_norm_scale(stream: Streams, eps: float) -> Float[Tensor, "*more 1"]:
    """Return what a LayerNorm divides by."""
    return (stream.var(-1, unbiased=False, keepdim=True) + eps).sqrt()
