"""The record of a training: what it was made from, where, and that it was one run of one recipe."""

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt16
from numpy import ndarray

from polyhead.files import sha256
from training.recipe import Recipe

HOW_NOT_WHAT = ("device", "compile", "sequences_per_pass", "checkpoint_seconds")
"""Keys of the training that say how a machine computes it: they may differ when it goes on elsewhere."""
SOFTWARE = ("torch", "numpy", "tokenizers")


def fingerprints(
    recipe: Recipe, tokenizer: Path, sequences: UInt16[ndarray, "sequence pos"]
) -> dict[str, str]:
    """Return the hashes of what decides the weights: recipe, corpus (training tokens), tokenizer file."""
    return {
        "recipe": recipe_hash(recipe),
        "corpus": hashlib.sha256(sequences.tobytes()).hexdigest(),
        "tokenizer": sha256(tokenizer),
    }


def recipe_hash(recipe: Recipe) -> str:
    """Return the SHA-256 of the recipe's model and training, but for how a machine computes it."""
    training = recipe.training.model_dump(exclude=set(HOW_NOT_WHAT))
    choices = {"model": recipe.model.model_dump(), "training": training}
    return hashlib.sha256(json.dumps(choices, sort_keys=True).encode()).hexdigest()


def environment(device: str, precision: torch.dtype) -> dict[str, Any]:
    """Return what computes the training: device, precision, software."""
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    return {
        "device": f"{device}: {name}",
        "precision": str(precision).removeprefix("torch."),
        "software": {"python": platform.python_version(), **{name: version(name) for name in SOFTWARE}},
    }


def training_record(checkpoint: dict[str, Any], weights: Path) -> dict[str, Any]:
    """Return what training.json holds, of a finished training's checkpoint and its exported weights.

    It is one run by construction: a checkpoint of another recipe, corpus or tokenizer is never continued.
    """
    return {
        "runs": 1,
        **{name: checkpoint[name] for name in ("resumptions", "tokens", "steps", "seconds", "seed")},
        **checkpoint["environment"],
        "sha256": {**checkpoint["hashes"], "weights": sha256(weights)},
    }
