"""The transformer in plain PyTorch, for training: maths and weight names are the TransformerLens bridge's."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from polyhead.reference.recipe import ModelRecipe

LAYER_NORM_EPS = 1e-5
BLOCK = 128  # destinations; the fastest of 64, 128 and 256
MASKED = -1e4  # as good as minus infinity after a softmax, and a number in bfloat16


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
        return self.o(causal_attention(q, k, v).transpose(1, 2).flatten(-2))


def causal_attention(
    q: Float[Tensor, "batch head pos d_head"],
    k: Float[Tensor, "batch head pos d_head"],
    v: Float[Tensor, "batch head pos d_head"],
) -> Float[Tensor, "batch head pos d_head"]:
    """Return values mixed by the causal pattern, scores scaled by 1/sqrt(d_head).

    On the CPU destinations go in blocks of `BLOCK`, each with the sources up to its end: compiled, forward
    and backward together take about 30 % of the time of torch's fused kernel at 512 positions.
    """
    if q.device.type != "cpu":
        return scaled_dot_product_attention(q, k, v, is_causal=True)
    q = q * q.shape[-1] ** -0.5
    ends = [min(start + BLOCK, q.shape[-2]) for start in range(0, q.shape[-2], BLOCK)]
    blocks = zip(q.split(BLOCK, dim=-2), ends, strict=True)
    return torch.cat([_block(dest, k[..., :end, :], v[..., :end, :]) for dest, end in blocks], dim=-2)


def _block(
    q: Float[Tensor, "batch head dest d_head"],
    k: Float[Tensor, "batch head src d_head"],
    v: Float[Tensor, "batch head src d_head"],
) -> Float[Tensor, "batch head dest d_head"]:
    """Return the mixed values of the last destinations of `src` positions."""
    dest, src = q.shape[-2], k.shape[-2]
    position = torch.arange(src, device=q.device)
    hidden = position[src - dest :, None] < position
    return (q @ k.mT).masked_fill(hidden, MASKED).softmax(-1) @ v


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
