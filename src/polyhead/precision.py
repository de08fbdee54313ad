"""Where and in which precision section 1 runs its model, and what that changes.

Rows are float32 in any case; what differs is the model that the patterns come from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from numpy import ndarray

from polyhead.errors import PolyheadError
from polyhead.labels import TAXONOMIES, read_atoms
from polyhead.rows import Heads, shard_tables
from polyhead.tokens import Vocabulary
from polyhead.transformer import AttentionOnly, PatternModel

COLUMNS = ["layer", "head", "dtype", "device", "taxonomy", "rows", "differing", "share"]


def place(model: PatternModel, device: str, dtype: str) -> PatternModel:
    """Return the model on `device` (cpu, cuda, auto) in `dtype` (float32, bfloat16).

    Raises:
        PolyheadError: there is no such device here, or the model is not of our plain form.
    """
    device = choose_device(device)
    if (device, dtype) == ("cpu", "float32"):
        return model
    if not isinstance(model, AttentionOnly):
        raise PolyheadError(f"device {device}, dtype {dtype}: this model runs on cpu in float32 only")
    return model.to(device, getattr(torch, dtype))


def choose_device(device: str) -> str:
    """Return cpu or cuda; `auto` is cuda where there is one."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise PolyheadError("device: cuda given; no CUDA device is to be found here; use cpu or auto")
    return device


def label_differences(
    model: PatternModel,
    vocabulary: Vocabulary,
    heads: Heads,
    prompts: Int[ndarray, "prompt pos"],
    window: int,
    threshold: float,
    taxonomies: Sequence[str],
    device: str,
    dtype: str,
) -> pd.DataFrame:
    """Count the rows whose label on `device` in `dtype` is not the one on the CPU in float32.

    Only attention-only models run in another precision; for others the table is empty.

    Returns:
        layer, head, dtype, device, taxonomy, rows, differing, share.
    """
    if not isinstance(model, AttentionOnly):
        return pd.DataFrame(columns=COLUMNS)
    numbers = np.arange(len(prompts))
    plain, other = (
        [read_atoms(table) for table in shard_tables(one, vocabulary, heads, numbers, prompts, window)]
        for one in (model, place(model, device, dtype))
    )
    lines = []
    for (layer, head), ours, theirs in zip(heads, plain, other, strict=True):
        for name in taxonomies:
            labels = (np.asarray(TAXONOMIES[name](atoms, threshold)) for atoms in (ours, theirs))
            differing = int(np.not_equal(*labels).sum())
            rows = len(ours.masses)
            lines.append((layer, head, dtype, choose_device(device), name, rows, differing, differing / rows))
    return pd.DataFrame(lines, columns=COLUMNS)
