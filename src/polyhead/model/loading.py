"""Causal language models of transformers, read from files on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.errors import PolyheadError

if TYPE_CHECKING:
    from torch import Tensor


def load_causal_lm(folder: Path | str, name: str, **options: Any) -> Any:
    """Return a model, by options of transformers' `from_pretrained`; no code of its own is run.

    Weights that the files hold besides are named in the log.

    Raises:
        PolyheadError: it cannot be read, it is no causal language model, or one of its weights is not in the
            files, has another shape there, or is not finite; names the model by `name`.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    options = {"local_files_only": True, "trust_remote_code": False, **options}
    options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, **options)
    except (ValueError, RuntimeError, KeyError, OSError, TypeError, ImportError, SafetensorError) as error:
        raise PolyheadError(
            f"transformers cannot read {name} as a causal language model: {one_line(error)}"
        ) from error
    model, found = loaded
    others = sorted(found["unexpected_keys"])
    if others:
        print(f"{name}: {len(others)} weights in the files are none of the model's: {some(others)}")
    missing = sorted({*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])})
    if missing:
        besides = f"; there are others: {some(others)}" if others else ""
        raise PolyheadError(
            f"model {name}: {len(missing)} of its weights are not in the files, or have another shape there: "
            f"{some(missing)}{besides}; none is made up"
        )
    refuse_not_finite(dict(model.named_parameters()), name)
    return model


def refuse_not_finite(weights: Mapping[str, Tensor], name: str) -> None:
    """Raise `PolyheadError` with the names of weights that hold NaN or infinity."""
    wrong = [key for key, weight in weights.items() if not weight.isfinite().all()]
    if wrong:
        raise PolyheadError(f"model {name}: weights that are not finite numbers: {some(wrong)}")


def some(names: Sequence[str]) -> str:
    """Return the first names of a list."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def one_line(error: Exception) -> str:
    """Return the beginning of an error's text in one line."""
    return " ".join(str(error).split())[:300]


def save_whole(model: Any, directory: Path) -> None:
    """Write a model as config.json and one model.safetensors."""
    model.save_pretrained(directory, max_shard_size="10000GB")  # more than any model has
