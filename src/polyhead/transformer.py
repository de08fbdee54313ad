"""An attention-only transformer, small enough to read on one screen.

TransformerLens defines and opens the models; the studies run on this plain form of the same weights, because
it can stop at a layer, share what two runs have in common and never builds what nobody asked for.
A test holds it to the TransformerLens bridge (logits and patterns within 1e-5).

Architecture (https://transformer-circuits.pub/2021/framework): residual stream = token embedding + learned
position embedding; each layer adds the output of its heads, which read the stream through a LayerNorm with
weights; a last LayerNorm and an untied unembedding give the logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

Residual = Float[Tensor, "batch pos d_model"]
Pattern = Float[Tensor, "batch head dest src"]
Heads = Sequence[tuple[int, int]]


@runtime_checkable
class PatternModel(Protocol):
    """All that section 1 asks of a model."""

    def layer_patterns(self, tokens: Int[Tensor, "batch pos"], heads: Heads) -> Iterator[tuple[int, Pattern]]:
        """Yield (layer, pattern of its chosen heads by number), lowest layer first; run no layer above."""
        ...


@dataclass(frozen=True)
class Linear:
    """Weights of an affine map, stored as PyTorch does: `y = x @ weight.T + bias`."""

    weight: Float[Tensor, "out in"]
    bias: Float[Tensor, " out"]

    def __call__(self, x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        return functional.linear(x, self.weight, self.bias)


@dataclass(frozen=True)
class LayerNorm:
    """LayerNorm over the last dimension, with weights."""

    weight: Float[Tensor, " d_model"]
    bias: Float[Tensor, " d_model"]
    eps: float

    def __call__(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class AttentionLayer:
    """One layer: LayerNorm, then `n_heads` heads that read from and add to the residual stream."""

    norm: LayerNorm
    query: Linear
    key: Linear
    value: Linear
    output: Linear
    n_heads: int

    @cached_property
    def d_head(self) -> int:
        """Width of one head."""
        return self.query.weight.shape[0] // self.n_heads

    def split(self, x: Float[Tensor, "batch pos flat"]) -> Float[Tensor, "batch head pos d_head"]:
        """Give every head its slice of a projected stream."""
        return x.unflatten(-1, (self.n_heads, self.d_head)).transpose(1, 2)

    def pattern(self, residual: Residual, heads: slice | list[int] = slice(None)) -> Pattern:
        """Return who attends to whom, for the chosen heads only: rows sum to 1, causal."""
        x = self.norm(residual)
        chosen = torch.arange(self.n_heads * self.d_head).view(self.n_heads, self.d_head)[heads].flatten()
        query, key = (
            functional.linear(x, side.weight[chosen], side.bias[chosen]).unflatten(-1, (-1, self.d_head))
            for side in (self.query, self.key)
        )
        scores = (query / self.d_head**0.5).transpose(1, 2) @ key.permute(0, 2, 3, 1)
        scores.masked_fill_(causal_mask(scores.shape[-1], scores.device), -torch.inf)
        in_place = scores if scores.dtype == torch.float32 else None
        return torch.softmax(scores, -1, dtype=torch.float32, out=in_place)

    def mix(self, residual: Residual) -> Float[Tensor, "batch head pos d_head"]:
        """Return each head's values averaged by its pattern (`z`), without building the pattern."""
        x = self.norm(residual)
        query, key, value = (self.split(side(x)) for side in (self.query, self.key, self.value))
        return functional.scaled_dot_product_attention(query, key, value, is_causal=True)

    def write(self, z: Float[Tensor, "batch head pos d_head"]) -> Residual:
        """Return what the heads add to the residual stream."""
        return self.output(z.transpose(1, 2).flatten(-2))

    def __call__(self, residual: Residual) -> Residual:
        return residual + self.write(self.mix(residual))

    def with_pattern(self, residual: Residual, pattern: Pattern) -> Residual:
        """Return what the layer returns, from the pattern of all its heads where that is at hand."""
        value = self.split(self.value(self.norm(residual)))
        return residual + self.write(pattern.to(value.dtype) @ value)


@dataclass(frozen=True)
class AttentionOnly:
    """An attention-only transformer: embeddings, layers, final LayerNorm, unembedding."""

    token_embedding: Float[Tensor, "vocabulary d_model"]
    position_embedding: Float[Tensor, "context d_model"]
    layers: tuple[AttentionLayer, ...]
    norm: LayerNorm
    unembedding: Linear

    def to(self, device: torch.device | str, dtype: torch.dtype) -> AttentionOnly:
        """Return the model on another device or in another precision; patterns are float32 in any case."""
        return _moved(self, device, dtype)

    @property
    def n_context(self) -> int:
        """Longest prompt the model can read, in tokens."""
        return self.position_embedding.shape[0]

    def embed(self, tokens: Int[Tensor, "batch pos"]) -> Residual:
        """Return the residual stream before the first layer."""
        tokens = tokens.to(self.token_embedding.device)
        return self.token_embedding[tokens] + self.position_embedding[: tokens.shape[1]]

    def residual_before(self, layer: int, tokens: Int[Tensor, "batch pos"]) -> Residual:
        """Run the layers below `layer` and no others."""
        residual = self.embed(tokens)
        for below in self.layers[:layer]:
            residual = below(residual)
        return residual

    def layer_patterns(self, tokens: Int[Tensor, "batch pos"], heads: Heads) -> Iterator[tuple[int, Pattern]]:
        """Yield (layer, pattern of its chosen heads, by number), lowest layer first; run no layer above."""
        residual = self.embed(tokens)
        top = max(layer for layer, _ in heads)
        for number, layer in enumerate(self.layers[: top + 1]):
            here = sorted({head for at, head in heads if at == number})
            pattern = layer.pattern(residual, here) if here else None
            if pattern is not None:
                yield number, pattern
            if number < top:
                known = pattern is not None and len(here) == layer.n_heads
                residual = layer.with_pattern(residual, pattern) if known else layer(residual)

    def logits(self, residual: Float[Tensor, "... d_model"]) -> Float[Tensor, "... vocabulary"]:
        """Read the logits off a final residual stream."""
        return self.unembedding(self.norm(residual))

    def __call__(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos vocabulary"]:
        return self.logits(self.residual_before(len(self.layers), tokens))


def causal_mask(positions: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the (dest, src) mask of sources that a destination cannot see."""
    return torch.ones(positions, positions, dtype=torch.bool, device=device).triu(1)


def _moved(part: Any, device: torch.device | str, dtype: torch.dtype) -> Any:
    if isinstance(part, Tensor):
        return part.to(device, dtype)
    if isinstance(part, tuple):
        return tuple(_moved(one, device, dtype) for one in part)
    if is_dataclass(part):
        values = {field.name: _moved(getattr(part, field.name), device, dtype) for field in fields(part)}
        return replace(part, **values)  # type: ignore[type-var]
    return part


def from_state(state: dict[str, Tensor], n_heads: int, eps: float) -> AttentionOnly:
    """Build the plain form from the state dict of a native TransformerLens bridge."""

    def linear(name: str) -> Linear:
        return Linear(state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(name: str) -> LayerNorm:
        return LayerNorm(state[f"{name}.weight"], state[f"{name}.bias"], eps)

    n_layers = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks."))
    layers = tuple(
        AttentionLayer(norm(f"blocks.{i}.ln1"), *(linear(f"blocks.{i}.attn.{p}") for p in "qkvo"), n_heads)
        for i in range(n_layers)
    )
    embeddings = state["embed.weight"], state["pos_embed.weight"]
    return AttentionOnly(*embeddings, layers, norm("ln_final"), linear("unembed"))
