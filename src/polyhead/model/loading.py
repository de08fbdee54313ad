"""Causal language models of transformers, read from files on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polyhead.errors import PolyheadError

WHOLE = "10000GB"
"""Size of a shard that no model reaches: weights are written as one file."""


def load_causal_lm(folder: Path | str, name: str, **options: Any) -> Any:
    """Return a model, by options of transformers' `from_pretrained`; no code of its own is run.

    Raises:
        PolyheadError: it cannot be read, or is no causal language model; names the model by `name`.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    options = {"local_files_only": True, "trust_remote_code": False, **options}
    try:
        return AutoModelForCausalLM.from_pretrained(folder, **options)
    except (ValueError, RuntimeError, KeyError, OSError, TypeError, ImportError, SafetensorError) as error:
        raise PolyheadError(
            f"transformers cannot read {name} as a causal language model: {one_line(error)}"
        ) from error


def one_line(error: Exception) -> str:
    """Return the beginning of an error's text in one line."""
    return " ".join(str(error).split())[:300]


def save_whole(model: Any, directory: Path) -> None:
    """Write a model as config.json and one model.safetensors."""
    model.save_pretrained(directory, max_shard_size=WHOLE)
