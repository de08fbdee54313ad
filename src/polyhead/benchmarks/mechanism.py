"""Every component taken out of a head's query and key, beside a hooked run for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from polyhead.mechanism.causal import replaced_patterns, replaced_sides, sides_of
from polyhead.model.components import Parts
from polyhead.model.transformer import AttentionOnly

Means = Float[Tensor, "component pos d_model"]
Patterns = Float[Tensor, "input dest src"]


@torch.inference_mode()
def usual_components(model: AttentionOnly, tokens: Tensor, layer: int) -> Means:
    """Return the mean of every component over prompts, at each position."""
    return torch.stack([model.parts(some, layer, "heads").parts[:-1] for some in tokens]).mean(0)


@torch.inference_mode()
def all_inputs(model: AttentionOnly, tokens: Tensor, layer: int, head: int, means: Means) -> Patterns:
    """Return the head's pattern with each component replaced by its mean in the query, then in the key."""
    stream, reader = model.parts(tokens, layer, "heads"), model.reader(layer, head)
    replaced = replaced_sides(stream, reader, means)
    hidden = reader.hidden(len(tokens))
    return torch.cat(list(replaced_patterns(sides_of(stream.whole, reader), replaced, hidden)))


@torch.inference_mode()
def hooked_inputs(
    bridge: Any, model: AttentionOnly, tokens: Tensor, layer: int, head: int, means: Means
) -> Patterns:
    """Return the same from a run of the bridge for every component and side, stopped above the layer."""
    stream = model.parts(tokens, layer, "heads")
    sides = (("q", model.layers[layer].attn.q), ("k", model.layers[layer].attn.k))
    runs = (
        _hooked_run(bridge, model, tokens, (layer, head), name, side, changed)
        for name, side in sides
        for changed in _changed(stream, means)
    )
    return torch.stack(list(runs))


def _changed(stream: Parts, means: Means) -> Iterator[Tensor]:
    for part, mean in zip(stream.parts[:-1], means, strict=True):
        change = mean - part
        change[0] = 0
        yield stream.whole + change


def _hooked_run(
    bridge: Any,
    model: AttentionOnly,
    tokens: Tensor,
    place: tuple[int, int],
    name: str,
    side: torch.nn.Linear,
    changed: Tensor,
) -> Tensor:
    layer, head = place
    kept = []

    def replace(vectors: Tensor, hook: Any) -> Tensor:
        vectors = vectors.clone()
        vectors[0, :, head] = side(model.layers[layer].ln1(changed)).unflatten(-1, vectors.shape[2:])[:, head]
        return vectors

    def keep(pattern: Tensor, hook: Any) -> None:
        kept.append(pattern[0, head].clone())

    block = f"blocks.{layer}.attn"
    hooks = [(f"{block}.{name}.hook_out", replace), (f"{block}.hook_pattern", keep)]
    bridge.run_with_hooks(tokens[None], return_type=None, stop_at_layer=layer + 1, fwd_hooks=hooks)
    return kept[0]
