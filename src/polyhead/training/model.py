"""The transformer as it is trained: initial weights, attention in blocks, and the loss."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, scaled_dot_product_attention

from polyhead.model.layer import AttentionLayer, Side
from polyhead.model.protocol import Residual
from polyhead.model.transformer import AttentionOnly
from polyhead.training.recipe import ModelRecipe

LAYER_NORM_EPS = 1e-5
BLOCK = 128  # destinations; the fastest of 64, 128 and 256
MASKED = -1e4  # as good as minus infinity after a softmax, and a number in bfloat16


def new_model(recipe: ModelRecipe, vocabulary: int) -> AttentionOnly:
    """Return a model to train, with random weights from torch's generator."""
    model = AttentionOnly(
        n_layers=recipe.layers,
        n_heads=recipe.heads,
        d_model=recipe.d_model,
        d_head=recipe.d_head,
        n_ctx=recipe.context,
        d_vocab=vocabulary,
        eps=LAYER_NORM_EPS,
        attend=joint_attention,
    )
    return model.apply(_initialise)


def joint_attention(layer: AttentionLayer, x: Residual) -> Side:
    """Mix all heads' values; queries, keys and values are one matrix product."""
    sides = layer.attn.q, layer.attn.k, layer.attn.v
    weight, bias = torch.cat([side.weight for side in sides]), torch.cat([side.bias for side in sides])
    joint = linear(x, weight, bias)
    q, k, v = joint.unflatten(-1, (3, layer.n_heads, -1)).permute(2, 0, 3, 1, 4)  # batch head pos d_head
    return causal_attention(q, k, v)


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


def next_token_loss(model: nn.Module, sequences: Int[Tensor, "batch pos"]) -> Float[Tensor, ""]:
    """Return the mean loss in nats over every token but the first of each sequence."""
    logits = model(sequences[:, :-1])
    return cross_entropy(logits.flatten(0, 1).float(), sequences[:, 1:].flatten())


@torch.no_grad()
def largest_scores(model: AttentionOnly, tokens: Int[Tensor, "batch pos"]) -> list[float]:
    """Return the largest score of each layer by magnitude: a query's product with a key that it may see."""
    residual, largest = model.residual_before(0, tokens), []
    for layer in model.layers:
        largest.append(float(layer.scores(residual).tril().abs().max()))
        residual = layer(residual)
    return largest


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
