"""What a model directory says of itself without its weights: which files it has, and its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from polyhead.errors import PolyheadError
from polyhead.files import check_sum, read_json

MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json")
SIZES = {
    "n_layers": ("n_layers", "n_layer", "num_hidden_layers", "num_layers"),
    "n_heads": ("n_heads", "n_head", "num_attention_heads", "num_heads"),
    "n_ctx": ("n_ctx", "n_positions", "max_position_embeddings"),
    "d_vocab": ("d_vocab", "vocab_size"),
}
"""What TransformerLens and Hugging Face call a model's sizes."""
POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class Shape:
    """Sizes of a model, read without loading its weights.

    `attn_only`: no MLPs, and LayerNorms with weights, so that `AttentionOnly` is the model. `architecture`:
    what transformers calls the model's kind; empty where the model is in TransformerLens' form.
    """

    n_layers: int
    n_heads: int
    n_ctx: int
    d_vocab: int
    attn_only: bool = True
    architecture: str = field(default="", compare=False)

    def __str__(self) -> str:
        kind = "attention only" if self.attn_only else "with more than attention"
        return (
            f"{self.n_layers} layers of {self.n_heads} heads, context {self.n_ctx}, "
            f"vocabulary {self.d_vocab}, {kind}"
        )


def weights_pattern(fields: Mapping[str, Any]) -> str:
    """Return the pattern of the files that hold a model's weights, by its config.json."""
    return "*.safetensors*" if "model_type" in fields else "*final.pth"


def shape_of(fields: Mapping[str, Any]) -> Shape:
    """Read the sizes off a config.json of TransformerLens or Hugging Face.

    Raises:
        PolyheadError: a size is not there; or it has more than attention, in TransformerLens' form.
    """
    sizes = {}
    for size, names in SIZES.items():
        given = [int(fields[name]) for name in names if fields.get(name)]
        if not given:
            raise PolyheadError(f"config.json of the model has none of {', '.join(names)}")
        sizes[size] = given[0]
    norm = fields.get("normalization", fields.get("normalization_type"))
    attn_only, architecture = bool(fields.get("attn_only")) and norm == "LN", fields.get("model_type", "")
    if not attn_only and not architecture:
        raise PolyheadError(
            "the model is in TransformerLens' form and not attention-only with LayerNorms that have weights; "
            "such a model is read when it comes as transformers saves it"
        )
    return Shape(**sizes, attn_only=attn_only, architecture=architecture)


def check_generates(fields: Mapping[str, Any], name: str) -> None:
    """Refuse a model that, by its config.json, does not expect the next token.

    Raises:
        PolyheadError: it is an encoder, or has one.
    """
    kinds = [str(kind) for kind in fields.get("architectures") or ()]
    if fields.get("is_encoder_decoder") or (
        kinds and not any(kind.endswith(("CausalLM", "LMHeadModel")) for kind in kinds)
    ):
        raise PolyheadError(
            f"model {name!r} is {' and '.join(kinds) or 'an encoder and decoder'}: no causal language model, "
            "which reads from left to right and expects the next token"
        )


def named_sizes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config.json with its sizes under TransformerLens' names, whichever kind it is of."""
    if "model_type" not in fields:
        return dict(fields)
    shape = {key: value for key, value in asdict(shape_of(fields)).items() if key != "architecture"}
    if width := fields.get("n_embd") or fields.get("hidden_size"):
        shape |= {"d_model": width, "d_head": fields.get("head_dim") or width // shape["n_heads"]}
    return shape


def check_directory(directory: Path | str) -> Path:
    """Return the model's directory; raise `PolyheadError` naming the first file that is missing."""
    directory = Path(directory)
    if not directory.is_dir():
        what = "is a file" if directory.exists() else "does not exist"
        files = ", ".join(MODEL_FILES)
        raise PolyheadError(
            f"model {str(directory)!r} {what}; a model is a folder with {files}, or a .gguf file"
        )
    for name in MODEL_FILES:
        if not (directory / name).is_file():
            raise PolyheadError(
                f"model {str(directory)!r}: {directory / name} is missing; a model directory holds "
                f"{', '.join(MODEL_FILES)}"
            )
        refuse_pointer(directory / name)
    return directory


def refuse_pointer(path: Path) -> None:
    """Raise `PolyheadError` if a file only points to one that Git LFS keeps elsewhere."""
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise PolyheadError(f"{path} is a Git LFS pointer, not the file itself; fetch it: git lfs pull")


def read_shape(directory: Path | str) -> Shape:
    """Read a model's sizes from its config.json."""
    path = check_directory(directory) / "config.json"
    check_sum(path)
    return shape_of(read_json(path))


def is_hugging_face(directory: Path | str) -> bool:
    """Say whether a directory holds a Hugging Face model: its config.json names a `model_type`."""
    path = Path(directory) / "config.json"
    return path.is_file() and "model_type" in read_json(path)
