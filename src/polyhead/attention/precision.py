"""How many labels change with the device and precision of the model.

Rows are always stored in float32; the setting is for the model that computes the patterns.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from polyhead.attention.labels import Definitions, read_atoms
from polyhead.attention.rows import shard_tables
from polyhead.model.head import Head
from polyhead.model.opening import choose_device, to_device
from polyhead.model.protocol import Heads, PatternModel
from polyhead.model.transformer import AttentionOnly
from polyhead.model.vocabulary import Vocabulary

COLUMNS = ["head", "dtype", "device", "taxonomy", "rows", "differing", "share"]


def label_differences(
    model: PatternModel,
    vocabulary: Vocabulary,
    heads: Heads,
    prompts: Int[ndarray, "prompt pos"],
    definitions: Definitions,
    device: str,
    dtype: str,
) -> pd.DataFrame:
    """Count the rows whose label on `device` in `dtype` differs from that on the CPU in float32.

    Other models than attention-only ones run in float32 only; their table is empty.

    Returns:
        head, dtype, device, taxonomy, rows, differing, share.
    """
    if not isinstance(model, AttentionOnly):
        return pd.DataFrame(columns=COLUMNS)
    shard = vocabulary, heads, np.arange(len(prompts)), prompts, definitions.window
    reference, other = (
        [definitions.labels(read_atoms(table)) for table in shard_tables(one, *shard)]
        for one in (model, to_device(model, device, dtype))
    )
    lines = []
    for head, ours, theirs in zip(heads, reference, other, strict=True):
        for name in definitions.taxonomies:
            differing = np.asarray(ours[name]) != np.asarray(theirs[name])
            where = str(Head(*head)), dtype, choose_device(device), name
            lines.append((*where, len(differing), int(differing.sum()), float(differing.mean())))
    return pd.DataFrame(lines, columns=COLUMNS)
