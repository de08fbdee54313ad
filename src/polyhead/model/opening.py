"""Open the model that a study names."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.files import check_sum, read_json
from polyhead.model.decoders import open_decoder
from polyhead.model.loading import refuse_not_finite
from polyhead.model.protocol import Model
from polyhead.model.shape import check_directory, is_hugging_face, read_shape, shape_of
from polyhead.model.transformer import AttentionOnly, from_state
from polyhead.model.vocabulary import Vocabulary, open_vocabulary


def open_model(directory: Path | str) -> tuple[Model, Vocabulary]:
    """Open a model in float32, with its vocabulary: an `AttentionOnly`, or a `Decoder` of transformers.

    Raises:
        PolyheadError: a file is missing or damaged, or the architecture is not known.
    """
    directory, shape = check_directory(directory), read_shape(directory)
    vocabulary = open_vocabulary(directory / "tokenizer.json", shape.d_vocab)
    if shape.attn_only:
        return open_native(directory), vocabulary
    check_sum(directory / "model.safetensors")
    return open_decoder(directory), vocabulary


Opened = TypeVar("Opened", bound=Model)


def to_device(model: Opened, device: str, dtype: str) -> Opened:
    """Return the model on `device` (cpu, cuda, auto) in `dtype` (float32, bfloat16); the given one stays.

    Raises:
        PolyheadError: there is no such device here.
    """
    device = choose_device(device)
    if (device, dtype) == ("cpu", "float32"):
        return model
    return cast("Any", copy.deepcopy(model)).to(device, getattr(torch, dtype))


def choose_device(device: str) -> str:
    """Return cpu or cuda; `auto` is cuda where there is one."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise PolyheadError("device: cuda given; no CUDA device is to be found here; use cpu or auto")
    return device


def open_native(directory: Path | str) -> AttentionOnly:
    """Open a native attention-only model in float32.

    Raises:
        PolyheadError: the weights are damaged, or the model is not attention-only.
    """
    directory = check_directory(directory)
    fields = read_json(directory / "config.json")
    if not shape_of(fields).attn_only:
        raise PolyheadError(f"model {str(directory)!r} is not an attention-only model with LayerNorm")
    state = {name: weight.float() for name, weight in read_state(directory).items()}
    refuse_not_finite(state, repr(str(directory)))
    try:
        return from_state(state, int(fields["n_heads"]), float(fields["eps"]))
    except (KeyError, RuntimeError, ValueError) as error:
        raise PolyheadError(
            f"the weights of the model {str(directory)!r} do not fit its config.json: {error}"
        ) from error


def read_state(directory: Path) -> Mapping[str, Tensor]:
    """Read the weights as stored, from a file that is as it was recorded."""
    try:
        check_sum(directory / "model.safetensors")
        return load_file(directory / "model.safetensors")
    except (SafetensorError, OSError) as error:
        raise PolyheadError(f"cannot read {directory / 'model.safetensors'}: {error}") from error


def open_bridge(directory: Path | str) -> Any:
    """Open a model as a TransformerLens bridge in float32.

    Raises:
        PolyheadError: TransformerLens does not know the architecture, or the weights do not fit it.
    """
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    directory = check_directory(directory)
    try:
        if is_hugging_face(directory):
            check_sum(directory / "model.safetensors")
            return TransformerBridge.boot_transformers(str(directory), device="cpu", dtype=torch.float32)
        bridge = TransformerBridge.boot_native(
            TransformerBridgeConfig(**read_json(directory / "config.json"))
        )
        bridge.load_state_dict({name: weight.float() for name, weight in read_state(directory).items()})
        return bridge
    except (ValueError, RuntimeError, KeyError, OSError) as error:
        raise PolyheadError(f"TransformerLens cannot open the model {str(directory)!r}: {error}") from error
