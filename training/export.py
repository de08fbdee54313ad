"""Hand over a model: the directory that a study and plain TransformerLens open, and checksums."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from polyhead.errors import PolyheadError
from polyhead.files import replacing, sha256, write_json, write_text
from training.model import LAYER_NORM_EPS
from training.recipe import ModelRecipe
from training.record import training_record


def bridge_config(recipe: ModelRecipe, vocabulary: int) -> dict[str, object]:
    """Return the `TransformerBridgeConfig` fields that describe the model."""
    return {
        "architecture": "TransformerLensNative",
        "attn_only": True,
        "n_layers": recipe.layers,
        "n_heads": recipe.heads,
        "d_model": recipe.d_model,
        "d_head": recipe.d_head,
        "n_ctx": recipe.context,
        "d_vocab": vocabulary,
        "normalization_type": "LN",
        "eps": LAYER_NORM_EPS,
        "positional_embedding_type": "standard",
        "act_fn": "gelu",  # the class demands one; a model without MLPs never uses it
    }


def export(checkpoint: Path | str, recipe: ModelRecipe, tokenizer: Path | str, directory: Path) -> None:
    """Write model.safetensors (float32), config.json, tokenizer.json and training.json from a checkpoint.

    Raises:
        PolyheadError: the training is not finished.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    if state["step"] < state["steps"]:
        raise PolyheadError(f"{checkpoint} is a training stopped at step {state['step']} of {state['steps']}")
    weights = directory / "model.safetensors"
    directory.mkdir(parents=True, exist_ok=True)
    with replacing(weights) as temporary:
        save_file({name: weight.contiguous() for name, weight in state["model"].items()}, temporary)
        temporary.chmod(0o644)  # the library keeps what it writes to itself
    write_json(directory / "config.json", bridge_config(recipe, len(state["model"]["embed.weight"])))
    copy(tokenizer, directory / "tokenizer.json")
    write_json(directory / "training.json", training_record(state, weights))


def copy(source: Path | str, path: Path | str) -> None:
    """Copy a file, whole or not at all."""
    with replacing(path) as temporary:
        shutil.copyfile(source, temporary)


def write_checksums(directory: Path) -> None:
    """Write SHA256SUMS (as `sha256sum -c` reads it) over every other file under a directory."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{sha256(path)}  {path.relative_to(directory).as_posix()}" for path in files]
    write_text(directory / "SHA256SUMS", "\n".join(lines) + "\n")
