"""Open the model that a study names."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.files import check_sum, read_json
from polyhead.model.decoder import Decoder
from polyhead.model.decoders import open_decoder
from polyhead.model.loading import refuse_not_finite
from polyhead.model.protocol import AblationModel, Heads, Pattern, PatternModel, Tokens
from polyhead.model.shape import check_directory, is_hugging_face, read_shape, shape_of
from polyhead.model.transformer import AttentionOnly, from_state
from polyhead.model.vocabulary import Vocabulary, open_vocabulary


def open_model(directory: Path | str) -> tuple[PatternModel, Vocabulary]:
    """Open a model in float32, with its vocabulary: as `AttentionOnly` where it is that.

    A model of transformers is a `Decoder`; any other one is opened for its patterns alone.

    Raises:
        PolyheadError: a file is missing or damaged, or the architecture is not known.
    """
    directory = check_directory(directory)
    return _open(directory), open_vocabulary(directory / "tokenizer.json")


def _open(directory: Path) -> PatternModel:
    if read_shape(directory).attn_only:
        return open_native(directory)
    if is_hugging_face(directory):
        check_sum(directory / "model.safetensors")
        return open_decoder(directory)
    return BridgePatterns(open_bridge(directory))


def open_for_ablation(directory: Path | str) -> AblationModel:
    """Open a model whose heads can be ablated, in float32.

    Raises:
        PolyheadError: as `open_model`; or only the model's patterns can be read.
    """
    model = _open(check_directory(directory))
    if not isinstance(model, AblationModel):
        raise PolyheadError(
            f"model {str(directory)!r} has more than attention, and its weights are in TransformerLens form: "
            "such a model can be ablated when it comes as transformers saves it"
        )
    return model


Model = TypeVar("Model", bound=PatternModel)


def to_device(model: Model, device: str, dtype: str) -> Model:
    """Return the model on `device` (cpu, cuda, auto) in `dtype` (float32, bfloat16); the given one stays.

    Raises:
        PolyheadError: there is no such device here, or only the model's patterns can be read.
    """
    device = choose_device(device)
    if (device, dtype) == ("cpu", "float32"):
        return model
    if not isinstance(model, AttentionOnly | Decoder):
        raise PolyheadError(f"device {device}, dtype {dtype}: this model runs on cpu in float32 only")
    return cast("Model", copy.deepcopy(model).to(device, getattr(torch, dtype)))


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


@dataclass(frozen=True)
class BridgePatterns:
    """Any causal model that TransformerLens knows, for section 1: it is run, and its patterns are read."""

    bridge: Any

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return self.bridge.cfg.n_layers

    @property
    def n_heads(self) -> int:
        """Number of heads in each layer."""
        return self.bridge.cfg.n_heads

    @property
    def n_context(self) -> int:
        """Longest prompt that the model can read, in tokens."""
        return self.bridge.cfg.n_ctx

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.bridge.parameters()).device

    @torch.inference_mode()
    def layer_patterns(self, tokens: Tokens, heads: Heads) -> Iterator[tuple[int, Pattern]]:
        """Yield (layer, pattern of its chosen heads by number), lowest layer first; run no layer above.

        Raises:
            PolyheadError: the architecture does not show a pattern of every source and destination.
        """
        chosen: dict[int, list[int]] = {}
        for layer, head in sorted(set(heads)):
            chosen.setdefault(layer, []).append(head)
        found: dict[int, Pattern] = {}

        def keep(pattern: Pattern, hook: Any) -> None:
            layer = int(hook.name.split(".")[1])
            found[layer] = pattern[:, chosen[layer]].float()

        hooks = [(f"blocks.{layer}.attn.hook_pattern", keep) for layer in chosen]
        self.bridge.run_with_hooks(tokens, return_type=None, stop_at_layer=max(chosen) + 1, fwd_hooks=hooks)
        for layer, here in chosen.items():
            check_pattern(found.get(layer), (len(tokens), len(here), *2 * tokens.shape[1:]), layer)
        yield from found.items()


def check_pattern(pattern: Tensor | None, shape: tuple[int, ...], layer: int) -> None:
    """Refuse what is not a causal pattern over the whole prompt; some architectures show something else."""
    if pattern is None or pattern.shape != shape or pattern.triu(1).any():
        shown = "nothing" if pattern is None else f"a tensor of shape {tuple(pattern.shape)}"
        raise PolyheadError(
            f"layer {layer}: a causal pattern of shape {shape} was expected, the model showed {shown}"
        )
