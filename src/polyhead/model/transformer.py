"""An attention-only transformer, small enough to read on one screen. Trained and studied in this one form.

Weights have the names and shapes of TransformerLens' native bridge, which tests hold it to (logits and
patterns within 1e-5). Unlike the bridge it can stop at a layer, share what two runs have in common, and never
builds what nobody asked for.

Architecture (https://transformer-circuits.pub/2021/framework): residual stream = token embedding + learned
position embedding; each layer adds the output of its heads, which read the stream through a LayerNorm with
weights; a last LayerNorm and an untied unembedding give the logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyhead.model.components import (
    EMBED,
    POS,
    QKV,
    Grouping,
    HeadReader,
    LayerParts,
    Norm,
    Stream,
    StreamParts,
    stream_parts,
)
from polyhead.model.components import Tokens as Prompt
from polyhead.model.layer import AttentionLayer, causal_mask
from polyhead.model.protocol import (
    Dests,
    Edited,
    EditedAfter,
    HeadEdits,
    Heads,
    HeadVectors,
    Pattern,
    Residual,
    Tokens,
)
from polyhead.model.streams import SharedPrefix, share_prefix, step_with_edits, two_streams


class AttentionOnly(nn.Module):
    """Embeddings, attention layers, final LayerNorm, unembedding; implements `DecomposableModel`."""

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
        self.n_layers, self.n_heads, self.n_context = n_layers, n_heads, n_ctx
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

    def residual_before(self, layer: int, tokens: Tokens) -> Residual:
        residual = self.embed(tokens.to(self.device)) + self.pos_embed.weight[: tokens.shape[1]]
        for below in self.layers[:layer]:
            residual = below(residual)
        return residual

    def logits(self, residual: Float[Tensor, "... d_model"]) -> Float[Tensor, "... vocabulary"]:
        return self.unembed(self.ln_final(residual))

    def layer_patterns(self, tokens: Tokens, heads: Heads) -> Iterator[tuple[int, Pattern]]:
        residual, top = self.residual_before(0, tokens), max(layer for layer, _ in heads)
        for number, layer in enumerate(self.layers[: top + 1]):
            if here := sorted({head for at, head in heads if at == number}):
                yield number, layer.pattern(residual, here)
            if number < top:
                residual = layer(residual)

    def two_streams(
        self, layer: int, head: int, residual: Residual, change: HeadVectors
    ) -> tuple[Residual, Residual]:
        clean = self.layers[layer](residual)
        single = clean + self.layers[layer].write_head(change, head)
        for above in self.layers[layer + 1 :]:
            clean, single = two_streams(above, clean, single)
        return clean, single

    def step_with_edits(
        self,
        layer: int,
        clean: Residual,
        edited: Edited,
        dests: Dests,
        new: HeadEdits | None = None,
    ) -> tuple[Residual, EditedAfter]:
        return step_with_edits(self.layers[layer], clean, edited, dests, new)

    def clean_runs(self, layer: int, residual: Residual) -> list[SharedPrefix]:
        return share_prefix(self.layers[layer:], residual)

    def parts(self, tokens: Prompt, layer: int, grouping: Grouping) -> StreamParts:
        embedded = {EMBED: self.embed(tokens.to(self.device)), POS: self.pos_embed.weight[: len(tokens)]}
        return stream_parts(embedded, layer, self._layer_parts, grouping)

    def _layer_parts(self, number: int, stream: Stream) -> LayerParts:
        here = self.layers[number]
        output = here.attn.o.weight.unflatten(1, (here.n_heads, here.d_head))
        heads = here.mix(stream[None])[0] @ output.permute(1, 2, 0)
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
