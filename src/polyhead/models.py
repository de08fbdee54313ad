"""Open the model that a study names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from polyhead.errors import PolyheadError
from polyhead.files import read_json
from polyhead.tokens import Vocabulary, open_vocabulary
from polyhead.transformer import AttentionOnly, from_state

MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json")


@dataclass(frozen=True)
class Shape:
    """Sizes of a model, read without loading its weights."""

    n_layers: int
    n_heads: int
    n_ctx: int
    d_vocab: int


def check_directory(directory: Path | str) -> Path:
    """Return the model's directory; raise `PolyheadError` naming the first file that is missing."""
    directory = Path(directory)
    for name in MODEL_FILES:
        if not (directory / name).is_file():
            raise PolyheadError(
                f"model {str(directory)!r}: {directory / name} is missing; a model directory holds "
                f"{', '.join(MODEL_FILES)}"
            )
    return directory


def read_shape(directory: Path | str) -> Shape:
    """Read a model's sizes from its config.json."""
    fields = read_json(check_directory(directory) / "config.json")
    return Shape(*(int(fields[name]) for name in ("n_layers", "n_heads", "n_ctx", "d_vocab")))


def open_model(directory: Path | str) -> tuple[AttentionOnly, Vocabulary]:
    """Open a native attention-only model in its plain form, in float32, with its vocabulary.

    Raises:
        PolyheadError: a file is missing or damaged, or the model is not attention-only.
    """
    directory = check_directory(directory)
    fields = read_json(directory / "config.json")
    if not fields.get("attn_only") or fields.get("normalization_type") != "LN":
        raise PolyheadError(f"model {str(directory)!r} is not an attention-only model with LayerNorm")
    state = {name: weight.float() for name, weight in read_state(directory).items()}
    model = from_state(state, int(fields["n_heads"]), float(fields["eps"]))
    return model, open_vocabulary(directory / "tokenizer.json")


def read_state(directory: Path) -> Mapping[str, torch.Tensor]:
    """Read the weights as stored."""
    try:
        return load_file(directory / "model.safetensors")
    except (SafetensorError, OSError) as error:
        raise PolyheadError(f"cannot read {directory / 'model.safetensors'}: {error}") from error


def open_bridge(directory: Path | str) -> Any:
    """Open the same model as a TransformerLens bridge, for cross-checks and notebooks."""
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    directory = check_directory(directory)
    bridge = TransformerBridge.boot_native(TransformerBridgeConfig(**read_json(directory / "config.json")))
    bridge.load_state_dict({name: weight.float() for name, weight in read_state(directory).items()})
    return bridge
