"""The transformer in plain PyTorch, for training: maths and weight names are the TransformerLens bridge's."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from polyhead.reference.recipe import ModelRecipe

LAYER_NORM_EPS = 1e-5


class Attention(nn.Module):
    """Causal multi-head attention, scores scaled by 1/sqrt(d_head)."""

    def __init__(self, recipe: ModelRecipe) -> None:
        super().__init__()
        width = recipe.heads * recipe.d_head
        self.heads = recipe.heads
        self.q = nn.Linear(recipe.d_model, width)
        self.k = nn.Linear(recipe.d_model, width)
        self.v = nn.Linear(recipe.d_model, width)
        self.o = nn.Linear(width, recipe.d_model)

    def forward(self, residual: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """Return what the layer adds to the residual stream."""
        weight = torch.cat([self.q.weight, self.k.weight, self.v.weight])
        bias = torch.cat([self.q.bias, self.k.bias, self.v.bias])
        joint = nn.functional.linear(residual, weight, bias)
        q, k, v = joint.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # batch head pos d_head
        mixed = scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o(mixed.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """One layer: LayerNorm, attention, sum."""

    def __init__(self, recipe: ModelRecipe) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(recipe.d_model, eps=LAYER_NORM_EPS)
        self.attn = Attention(recipe)

    def forward(self, residual: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """Return the residual stream after the layer."""
        return residual + self.attn(self.ln1(residual))


class Transformer(nn.Module):
    """Attention-only transformer with learned positions and an unembedding of its own."""

    def __init__(self, recipe: ModelRecipe, vocabulary: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, recipe.d_model)
        self.pos_embed = nn.Embedding(recipe.context, recipe.d_model)
        self.blocks = nn.ModuleList(Block(recipe) for _ in range(recipe.layers))
        self.ln_final = nn.LayerNorm(recipe.d_model, eps=LAYER_NORM_EPS)
        self.unembed = nn.Linear(recipe.d_model, vocabulary)
        self.apply(_initialise)

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos vocabulary"]:
        """Return the logits of the next token."""
        residual = self.embed(tokens) + self.pos_embed.weight[: tokens.shape[1]]
        for block in self.blocks:
            residual = block(residual)
        return self.unembed(self.ln_final(residual))


def next_token_loss(model: nn.Module, rows: Int[Tensor, "batch pos"]) -> Float[Tensor, ""]:
    """Return the mean loss in nats over every token but the first of each row."""
    logits = model(rows[:, :-1])
    return cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten())


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
