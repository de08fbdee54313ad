"""The study's model held against TransformerLens: patterns of all heads, and logits, on a few prompts."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.model.decoder import Decoder
from polyhead.model.head import all_heads
from polyhead.model.opening import open_bridge, open_model
from polyhead.model.protocol import Tokens

PROMPTS = 2
LONGEST = 256
"""Tokens of a prompt that are compared, at most: all patterns of the model are in memory."""


def compared_to_lens(directory: Path, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Return how far a model is from the same weights in TransformerLens; one model to a process.

    Args:
        directory: the model's.
        prompts: tokens of each; the first `PROMPTS` are run.

    Returns:
        version, prompts, `patterns` and `logits` (the largest absolute differences), `largest_logit`; or, as
        `not_compared`, why not.
    """
    found = {"version": version("transformer_lens"), "prompts": len(prompts[:PROMPTS]), "not_compared": ""}
    try:
        model, _ = open_model(directory)
        tokens = [torch.as_tensor(prompt[:LONGEST], dtype=torch.long)[None] for prompt in prompts[:PROMPTS]]
        ours = [_ours(model, each) for each in tokens]
        bridge = open_bridge(directory)  # last: it changes the model of transformers that it is given
        theirs = [_theirs(bridge, each, model.n_layers) for each in tokens]
    except (PolyheadError, ValueError, RuntimeError, KeyError, AttributeError, NotImplementedError) as error:
        return found | {"not_compared": " ".join(str(error).split())[:200]}
    pairs = list(zip(ours, theirs, strict=True))
    patterns, logits = (max(float((a[k] - b[k]).abs().max()) for a, b in pairs) for k in (0, 1))
    return found | {
        "patterns": patterns,
        "logits": logits,
        "largest_logit": max(float(a[1].abs().max()) for a in ours),
    }


@torch.inference_mode()
def _ours(
    model: Any, tokens: Tokens
) -> tuple[Float[Tensor, "layer head dest src"], Float[Tensor, "pos d_vocab"]]:
    heads = all_heads(model.n_layers, model.n_heads)
    patterns = torch.stack([pattern[0].float().cpu() for _, pattern in model.layer_patterns(tokens, heads)])
    logits = model.model(input_ids=tokens).logits if isinstance(model, Decoder) else model(tokens)
    return patterns, logits[0].float()


@torch.inference_mode()
def _theirs(
    bridge: Any, tokens: Tokens, n_layers: int
) -> tuple[Float[Tensor, "layer head dest src"], Float[Tensor, "pos d_vocab"]]:
    names = [f"blocks.{layer}.attn.hook_pattern" for layer in range(n_layers)]
    logits, cache = bridge.run_with_cache(tokens, names_filter=lambda name: name in names)
    return torch.stack([cache[name][0].float() for name in names]), logits[0].float()
