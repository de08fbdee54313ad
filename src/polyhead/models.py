"""Open the model that a study names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.files import check_sum, read_json
from polyhead.tokens import Vocabulary, open_vocabulary
from polyhead.transformer import AttentionOnly, Heads, Pattern, PatternModel, from_state

MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json")
SIZES = {
    "n_layers": ("n_layers", "n_layer", "num_hidden_layers", "num_layers"),
    "n_heads": ("n_heads", "n_head", "num_attention_heads", "num_heads"),
    "n_ctx": ("n_ctx", "n_positions", "max_position_embeddings"),
    "d_vocab": ("d_vocab", "vocab_size"),
}
"""What TransformerLens and Hugging Face call a model's sizes."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a model, read without loading its weights.

    `attn_only`: no MLPs, and LayerNorms with weights, so that `AttentionOnly` is the model.
    """

    n_layers: int
    n_heads: int
    n_ctx: int
    d_vocab: int
    attn_only: bool = True

    def __str__(self) -> str:
        kind = "attention only" if self.attn_only else "with more than attention"
        return (
            f"{self.n_layers} layers of {self.n_heads} heads, context {self.n_ctx}, "
            f"vocabulary {self.d_vocab}, {kind}"
        )


def shape_of(fields: Mapping[str, Any]) -> Shape:
    """Read the sizes off a config.json of TransformerLens or Hugging Face.

    Raises:
        PolyheadError: a size is not there.
    """
    sizes = {}
    for size, names in SIZES.items():
        given = [int(fields[name]) for name in names if fields.get(name)]
        if not given:
            raise PolyheadError(f"config.json of the model has none of {', '.join(names)}")
        sizes[size] = given[0]
    norm = fields.get("normalization", fields.get("normalization_type"))
    return Shape(**sizes, attn_only=bool(fields.get("attn_only")) and norm == "LN")


def named_sizes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config.json with its sizes under TransformerLens' names, whichever kind it is of."""
    if "model_type" not in fields:
        return dict(fields)
    shape = asdict(shape_of(fields))
    if width := fields.get("n_embd") or fields.get("hidden_size"):
        shape |= {"d_model": width, "d_head": fields.get("head_dim") or width // shape["n_heads"]}
    return shape


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
    path = check_directory(directory) / "config.json"
    check_sum(path)
    return shape_of(read_json(path))


def is_hugging_face(directory: Path | str) -> bool:
    """Say whether a directory holds a Hugging Face model: its config.json names a `model_type`."""
    path = Path(directory) / "config.json"
    return path.is_file() and "model_type" in read_json(path)


def open_model(directory: Path | str) -> tuple[PatternModel, Vocabulary]:
    """Open a model in float32, with its vocabulary: in its plain form where it is attention-only.

    Raises:
        PolyheadError: a file is missing or damaged, or TransformerLens does not know the architecture.
    """
    directory = check_directory(directory)
    plain = read_shape(directory).attn_only
    model = open_plain(directory) if plain else BridgePatterns(open_bridge(directory))
    return model, open_vocabulary(directory / "tokenizer.json")


def open_plain(directory: Path | str) -> AttentionOnly:
    """Open a native attention-only model in its plain form.

    Raises:
        PolyheadError: the weights are damaged, or the model is not attention-only.
    """
    directory = check_directory(directory)
    fields = read_json(directory / "config.json")
    if not shape_of(fields).attn_only:
        raise PolyheadError(f"model {str(directory)!r} is not an attention-only model with LayerNorm")
    state = {name: weight.float() for name, weight in read_state(directory).items()}
    return from_state(state, int(fields["n_heads"]), float(fields["eps"]))


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

    @torch.inference_mode()
    def layer_patterns(self, tokens: Int[Tensor, "batch pos"], heads: Heads) -> Iterator[tuple[int, Pattern]]:
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
