"""The residual stream as a sum of components, and how one head reads it: what `polyhead.mechanism` asks for.

The stream that enters a layer is a sum: token embedding, position embedding, what each earlier head and MLP
wrote, biases. With the norm's scale held at its value of the clean run, a head's queries, keys and values are
linear in it (https://transformer-circuits.pub/2021/framework).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from polyhead.model.protocol import Model

Prompt = Int[Tensor, " pos"]
Stream = Float[Tensor, "pos d_model"]
Vectors = Float[Tensor, "*more d"]
Vector = Float[Tensor, " d"]
Grouping = Literal["heads", "layers"]
"""Whether every earlier head is a component, or the heads of a layer together are."""
EMBED, POS, BIAS = "embed", "pos", "bias"


@dataclass(frozen=True)
class StreamParts:
    """The stream before a layer, at every position of one prompt, as a sum of components.

    `parts` sum to `whole` up to rounding. The last one is `bias`: what the maps below add to any prompt.
    """

    names: tuple[str, ...]
    parts: Float[Tensor, "component pos d_model"]
    whole: Stream


class LayerParts(NamedTuple):
    """The stream after a layer, and what its heads, its MLP (if it has one) and its biases added to it."""

    after: Stream
    heads: Float[Tensor, "head pos d_model"]
    mlp: Stream | None
    bias: Stream


@dataclass(frozen=True)
class Norm:
    """A LayerNorm (`centred`) or RMSNorm: linear, once the scale is given."""

    weight: Vector
    bias: Vector
    eps: float
    centred: bool

    def moved(self, vectors: Vectors) -> Vectors:
        """Return vectors minus their mean, where the norm subtracts it."""
        return vectors - vectors.mean(-1, keepdim=True) if self.centred else vectors

    def scale(self, vectors: Vectors) -> Float[Tensor, "*more 1"]:
        """Return what whole vectors are divided by."""
        return (self.moved(vectors).square().mean(-1, keepdim=True) + self.eps).sqrt()

    def linear(self, parts: Vectors) -> Vectors:
        """Apply the norm to parts of vectors, without dividing by the scale and without the bias."""
        return self.moved(parts) * self.weight

    def __call__(self, vectors: Vectors) -> Vectors:
        """Norm whole vectors."""
        return self.linear(vectors) / self.scale(vectors) + self.bias


class QKV(NamedTuple):
    """A head's queries, keys and values."""

    query: Tensor
    key: Tensor
    value: Tensor


@dataclass(frozen=True)
class HeadReader:
    """How one head reads the stream: linear, once the norm's scale is given.

    Attributes:
        norm: before the heads, where there is one.
        weights, biases: the head's own maps (d_head, d_model) and (d_head) behind that norm.
        scaling: of scores, 1/√d_head or what the model has instead.
        hidden: for a length of prompts, the mask of the sources that each destination does not see.
        inner: the norms of queries and of keys.
        rotate: turns queries or keys (… pos d_head) by their positions.
    """

    norm: Norm | None
    weights: QKV
    biases: QKV
    scaling: float
    hidden: Callable[[int], Bool[Tensor, "dest src"]]
    inner: tuple[Norm | None, Norm | None] = (None, None)
    rotate: Callable[[Tensor], Tensor] = lambda vectors: vectors

    @cached_property
    def constants(self) -> QKV:
        """What the head reads from an empty stream: biases of the norm and of its own maps (d_head)."""
        if self.norm is None:
            return self.biases
        pairs = zip(self.weights, self.biases, strict=True)
        return QKV(*(weight @ self.norm.bias + bias for weight, bias in pairs))

    @cached_property
    def maps(self) -> Float[Tensor, "three_d_head d_model"]:
        """The three maps one below the other, with the norm's weights and its centring in them."""
        maps = torch.cat(self.weights)
        return maps if self.norm is None else self.norm.moved(maps * self.norm.weight)

    def scale(self, stream: Vectors) -> Float[Tensor, "*more 1"]:
        """Return what the norm divides a whole stream by."""
        return torch.ones_like(stream[..., :1]) if self.norm is None else self.norm.scale(stream)

    def read(self, parts: Vectors) -> QKV:
        """Return what the head reads from parts of a stream, divided by its scale, without constants."""
        return QKV(*functional.linear(parts, self.maps).split([len(one) for one in self.weights], -1))

    def compared(self, whole: QKV, part: QKV) -> QKV:
        """Return parts of queries and keys in the form in which their products are scores.

        Divided by √d_head or what the model has instead, turned by their positions where it turns them, and
        normed by the scale of the whole queries and keys where it norms them.
        """
        query, key = (
            side if norm is None else side * norm.weight / norm.scale(all_of_it)
            for norm, all_of_it, side in zip(self.inner, whole[:2], part[:2], strict=True)
        )
        return QKV(self.rotate(query * self.scaling), self.rotate(key), part.value)


class DecomposableModel(Model):
    """A model whose stream is a sum of components that are known."""

    @abstractmethod
    def embeddings(self, tokens: Prompt) -> dict[str, Stream]:
        """Return the stream before layer 0 by token and, where that is added, by position."""

    @abstractmethod
    def layer_parts(self, number: int, stream: Stream) -> LayerParts:
        """Run a layer, and tell apart what it adds to the stream."""

    @abstractmethod
    def reader(self, layer: int, head: int) -> HeadReader:
        """Return how a head reads the stream."""

    def parts(self, tokens: Prompt, layer: int, grouping: Grouping) -> StreamParts:
        """Return the stream before a layer by what each head `l.h`, or each layer `attn<l>`, added to it."""
        embedded = self.embeddings(tokens)
        names, parts = [*embedded], [torch.stack([*embedded.values()])]
        stream = parts[0].sum(0)
        bias = torch.zeros_like(stream)
        for number in range(layer):
            stream, heads, mlp, constant = self.layer_parts(number, stream)
            if grouping == "heads":
                names += [f"{number}.{head}" for head in range(len(heads))]
            else:
                names, heads = [*names, f"attn{number}"], heads.sum(0, keepdim=True)
            parts.append(heads)
            if mlp is not None:
                names, parts = [*names, f"mlp{number}"], [*parts, mlp[None]]
            bias = bias + constant
        return StreamParts((*names, BIAS), torch.cat([*parts, bias[None]]), stream)
