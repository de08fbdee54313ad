"""One layer of attention heads, and how its heads are run, read and replaced."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from polyhead.model.attend import LayerQKV
from polyhead.model.protocol import HeadVectors, Mixed, Pattern, Residual, Values

Side = Float[Tensor, "batch head pos d_head"]
"""Queries, keys, values or mixed values (`z`) of all heads."""


class Projections(nn.Module):
    """The four affine maps of all heads, one head after the other."""

    def __init__(self, d_model: int, width: int) -> None:
        super().__init__()
        self.q = nn.Linear(d_model, width)
        self.k = nn.Linear(d_model, width)
        self.v = nn.Linear(d_model, width)
        self.o = nn.Linear(width, d_model)


class AttentionLayer(nn.Module):
    """LayerNorm, then `n_heads` heads that read from and add to the residual stream."""

    def __init__(self, d_model: int, n_heads: int, d_head: int, eps: float) -> None:
        super().__init__()
        self.n_heads, self.d_head = n_heads, d_head
        self.ln1 = nn.LayerNorm(d_model, eps=eps)
        self.attn = Projections(d_model, n_heads * d_head)

    def forward(self, residual: Residual) -> Residual:
        return residual + self.write(self.mix(residual))

    def mix(self, residual: Residual) -> Side:
        """Return each head's values averaged by its pattern (`z`), without building the pattern."""
        return self.qkv(residual).mix()

    def write(self, z: Side) -> Residual:
        """Return what the heads add to the residual stream."""
        return self.attn.o(z.transpose(1, 2).flatten(-2))

    def qkv(self, residual: Residual) -> LayerQKV:
        return LayerQKV(*self.sides(self.ln1(residual)), visible=None, scaling=self.d_head**-0.5)

    def sides(self, x: Residual) -> tuple[Side, Side, Side]:
        """Return queries, keys and values of the normalised stream."""
        return self.split(self.attn.q(x)), self.split(self.attn.k(x)), self.split(self.attn.v(x))

    def split(self, x: Float[Tensor, "batch pos flat"]) -> Side:
        """Give every head its slice of a projected stream."""
        return x.unflatten(-1, (self.n_heads, self.d_head)).transpose(1, 2)

    def scores(self, residual: Residual, heads: slice | list[int] = slice(None)) -> Pattern:
        """Return query times key over √d_head for all pairs, including unseen sources."""
        x = self.ln1(residual)
        chosen = torch.arange(self.n_heads * self.d_head).view(self.n_heads, self.d_head)[heads].flatten()
        query, key = (
            functional.linear(x, side.weight[chosen], side.bias[chosen]).unflatten(-1, (-1, self.d_head))
            for side in (self.attn.q, self.attn.k)
        )
        return (query / self.d_head**0.5).transpose(1, 2) @ key.permute(0, 2, 3, 1)

    def pattern(self, residual: Residual, heads: slice | list[int] = slice(None)) -> Pattern:
        scores = self.scores(residual, heads)
        scores.masked_fill_(causal_mask(scores.shape[-1], scores.device), -torch.inf)
        in_place = scores if scores.dtype == torch.float32 else None
        return torch.softmax(scores, -1, dtype=torch.float32, out=in_place)

    def values(self, residual: Residual, head: int) -> HeadVectors:
        """Return the value vectors of one head at every source."""
        own, value = self.slice_of(head), self.attn.v
        return functional.linear(self.ln1(residual), value.weight[own], value.bias[own])

    def read(self, residual: Residual, heads: list[int]) -> tuple[Pattern, Values]:
        values = self.split(self.attn.v(self.ln1(residual)))
        return self.pattern(residual, heads), values[:, heads]

    def write_head(self, z: Mixed, head: int) -> Float[Tensor, "*some d_model"]:
        return functional.linear(z, self.attn.o.weight[:, self.slice_of(head)])

    def slice_of(self, head: int) -> slice:
        """Return where a head's vectors are among those of all heads."""
        return slice(head * self.d_head, (head + 1) * self.d_head)


def causal_mask(positions: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the (dest, src) mask of sources that a destination cannot see."""
    return torch.ones(positions, positions, dtype=torch.bool, device=device).triu(1)
