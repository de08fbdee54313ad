"""An attention-only transformer, small enough to read on one screen. Trained and studied in this one form.

Weights have the names and shapes of TransformerLens' native bridge, which tests hold it to (logits and
patterns within 1e-5). Unlike the bridge it can stop at a layer, share what two runs have in common, and never
builds what nobody asked for.

Architecture (https://transformer-circuits.pub/2021/framework): residual stream = token embedding + learned
position embedding; each layer adds the output of its heads, which read the stream through a LayerNorm with
weights; a last LayerNorm and an untied unembedding give the logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from polyhead.model.attend import AttentionHook, LayerQKV, OfHeads, Pattern, mix
from polyhead.model.components import (
    EMBED,
    POS,
    QKV,
    DecomposableModel,
    HeadReader,
    LayerParts,
    Norm,
    Prompt,
    Stream,
)
from polyhead.model.protocol import Layer, Mixed, Positions, Residual, Tokens


class Projections(nn.Module):
    """The four affine maps of all heads, one head after the other."""

    def __init__(self, d_model: int, width: int) -> None:
        super().__init__()
        self.q = nn.Linear(d_model, width)
        self.k = nn.Linear(d_model, width)
        self.v = nn.Linear(d_model, width)
        self.o = nn.Linear(width, d_model)


class AttentionLayer(nn.Module, Layer):
    """LayerNorm, then `n_heads` heads that read from and add to the residual stream."""

    def __init__(self, d_model: int, n_heads: int, d_head: int, eps: float) -> None:
        super().__init__()
        self.n_heads, self.d_head = n_heads, d_head
        self.ln1 = nn.LayerNorm(d_model, eps=eps)
        self.attn = Projections(d_model, n_heads * d_head)

    def forward(self, residual: Residual) -> Residual:
        return self.run(residual, mix)

    def run(self, residual: Residual, hook: AttentionHook, positions: Positions | None = None) -> Residual:
        return self.with_mixed(residual, hook(self, self.qkv(residual)))

    def with_mixed(self, residual: Residual, z: OfHeads, positions: Positions | None = None) -> Residual:
        return residual + self.write(z)

    def write(self, z: OfHeads) -> Residual:
        """Return what the heads add to the residual stream."""
        return self.attn.o(z.transpose(1, 2).flatten(-2))

    def qkv(self, residual: Residual, positions: Positions | None = None) -> LayerQKV:
        return LayerQKV(*self.sides(self.ln1(residual)), visible=None, scaling=self.d_head**-0.5)

    def pattern(self, residual: Residual, heads: list[int]) -> Pattern:
        x, rows = self.ln1(residual), torch.arange(self.attn.q.out_features)
        own = rows.view(self.n_heads, self.d_head)[heads].flatten()  # no other head is computed
        query, key = (
            functional.linear(x, side.weight[own], side.bias[own]).unflatten(-1, (len(heads), -1))
            for side in (self.attn.q, self.attn.k)
        )
        query, key = query.transpose(1, 2), key.transpose(1, 2)
        return LayerQKV(query, key, key, None, self.d_head**-0.5).pattern(range(len(heads)))

    def sides(self, x: Residual) -> tuple[OfHeads, OfHeads, OfHeads]:
        """Return queries, keys and values of the normalised stream."""
        return self.split(self.attn.q(x)), self.split(self.attn.k(x)), self.split(self.attn.v(x))

    def split(self, x: Float[Tensor, "batch pos flat"]) -> OfHeads:
        """Give every head its slice of a projected stream."""
        return x.unflatten(-1, (self.n_heads, self.d_head)).transpose(1, 2)

    def write_head(self, z: Mixed, head: int) -> Float[Tensor, "*some d_model"]:
        return functional.linear(z, self.attn.o.weight[:, self.slice_of(head)])

    def slice_of(self, head: int) -> slice:
        """Return where a head's vectors are among those of all heads."""
        return slice(head * self.d_head, (head + 1) * self.d_head)


def causal_mask(positions: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the (dest, src) mask of sources that a destination cannot see."""
    return torch.ones(positions, positions, dtype=torch.bool, device=device).triu(1)


class AttentionOnly(nn.Module, DecomposableModel):
    """Embeddings, attention layers, final LayerNorm, unembedding."""

    def __init__(
        self,
        *,
        n_layers: int,
        n_heads: int,
        d_model: int,
        d_head: int,
        n_ctx: int,
        d_vocab: int,
        eps: float,
    ) -> None:
        super().__init__()
        self.n_heads, self.n_context = n_heads, n_ctx
        self.embed = nn.Embedding(d_vocab, d_model)
        self.pos_embed = nn.Embedding(n_ctx, d_model)
        self.blocks = nn.ModuleList(AttentionLayer(d_model, n_heads, d_head, eps) for _ in range(n_layers))
        self.ln_final = nn.LayerNorm(d_model, eps=eps)
        self.unembed = nn.Linear(d_model, d_vocab)

    @property
    def layers(self) -> tuple[AttentionLayer, ...]:
        return tuple(cast("Iterable[AttentionLayer]", self.blocks))

    @property
    def device(self) -> torch.device:
        return self.embed.weight.device

    def forward(self, tokens: Tokens) -> Float[Tensor, "batch pos vocabulary"]:
        """Return the logits of the next token at every position."""
        return self.logits(self.residual_before(self.n_layers, tokens))

    def embedded(self, tokens: Tokens) -> Residual:
        return self.embed(tokens.to(self.device)) + self.pos_embed.weight[: tokens.shape[1]]

    def logits(self, residual: Float[Tensor, "... d_model"]) -> Float[Tensor, "... vocabulary"]:
        return self.unembed(self.ln_final(residual))

    def embeddings(self, tokens: Prompt) -> dict[str, Stream]:
        return {EMBED: self.embed(tokens.to(self.device)), POS: self.pos_embed.weight[: len(tokens)]}

    def layer_parts(self, number: int, stream: Stream) -> LayerParts:
        here = self.layers[number]
        output = here.attn.o.weight.unflatten(1, (here.n_heads, here.d_head))
        heads = here.qkv(stream[None]).mix()[0] @ output.permute(1, 2, 0)
        bias = here.attn.o.bias.expand_as(stream)
        return LayerParts(stream + heads.sum(0) + bias, heads, None, bias)

    def reader(self, layer: int, head: int) -> HeadReader:
        here, own = self.layers[layer], self.layers[layer].slice_of(head)
        maps = here.attn.q, here.attn.k, here.attn.v
        weights, biases = (QKV(*(getattr(m, name)[own] for m in maps)) for name in ("weight", "bias"))
        norm = Norm(here.ln1.weight, here.ln1.bias, here.ln1.eps, centred=True)
        return HeadReader(
            norm, weights, biases, here.d_head**-0.5, lambda length: causal_mask(length, self.device)
        )


def from_state(state: Mapping[str, Tensor], n_heads: int, eps: float) -> AttentionOnly:
    """Build a model for study, without gradients, around the weights of a native bridge's state dict.

    Raises:
        KeyError, RuntimeError, ValueError: the weights are not those of an attention-only model.
    """
    d_vocab, d_model = state["embed.weight"].shape
    with torch.device("meta"):
        model = AttentionOnly(
            n_layers=1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks.")),
            n_heads=n_heads,
            d_model=d_model,
            d_head=len(state["blocks.0.attn.q.weight"]) // n_heads,
            n_ctx=len(state["pos_embed.weight"]),
            d_vocab=d_vocab,
            eps=eps,
        )
    model.requires_grad_(False).load_state_dict(state, assign=True)
    return model.eval()
