"""Hand over a model: the directory that a study and plain TransformerLens open."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from polyhead.files import replacing, write_json
from polyhead.reference.model import LAYER_NORM_EPS
from polyhead.reference.recipe import ModelRecipe


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


def export(checkpoint: Path, recipe: ModelRecipe, tokenizer: Path, directory: Path) -> None:
    """Write model.safetensors (float32), config.json and tokenizer.json from a checkpoint."""
    weights = torch.load(checkpoint, map_location="cpu", weights_only=True)["model"]
    directory.mkdir(parents=True, exist_ok=True)
    with replacing(directory / "model.safetensors") as temporary:
        save_file({name: weight.contiguous() for name, weight in weights.items()}, temporary)
        temporary.chmod(0o644)  # the library keeps what it writes to itself
    write_json(directory / "config.json", bridge_config(recipe, len(weights["embed.weight"])))
    with replacing(directory / "tokenizer.json") as temporary:
        shutil.copyfile(tokenizer, temporary)
