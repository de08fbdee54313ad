"""The atlas: what every head of the model does, as shares of labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from polyhead.attention.distribution import Draws, label_shares
from polyhead.attention.labels import Definitions, read_atoms
from polyhead.attention.rows import tables_of_heads
from polyhead.model.head import Head
from polyhead.model.protocol import Heads, Model
from polyhead.model.vocabulary import Vocabulary

COLUMNS = ["head", "taxonomy", "label", "rows", "share", "share_low", "share_high"]


def atlas(
    model: Model,
    vocabulary: Vocabulary,
    heads: Heads,
    prompts: Int[ndarray, "prompt pos"],
    definitions: Definitions,
    draws: Draws,
) -> pd.DataFrame:
    """Label the rows of many heads in one pass over the first prompts; `draws` are of their documents.

    Columns: head, taxonomy, label, rows, share, share_low, share_high; most frequent label first.
    """
    found = labels_of_heads(model, vocabulary, heads, prompts, definitions)
    prompt, position = np.divmod(np.arange(prompts[:, 1:].size), prompts.shape[1] - 1)
    document = draws.documents.of(prompt, position + 1)
    parts = [
        label_shares(found[head, taxonomy], document, draws)
        .sort_values(["rows", "label"], ascending=[False, True])
        .assign(head=str(head), taxonomy=taxonomy)
        for head, taxonomy in sorted(found, key=lambda key: key[0])
    ]
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def labels_of_heads(
    model: Model,
    vocabulary: Vocabulary,
    heads: Heads,
    prompts: Int[ndarray, "prompt pos"],
    definitions: Definitions,
) -> dict[tuple[Head, str], pd.Categorical]:
    """Return the label of every row, by head and taxonomy, prompt after prompt."""
    parts: dict[tuple[Head, str], list[pd.Categorical]] = {}
    numbers = np.arange(len(prompts))
    for tables in tables_of_heads(model, vocabulary, heads, numbers, prompts, definitions.window):
        for head, table in zip(heads, tables, strict=True):
            for taxonomy, labels in definitions.labels(read_atoms(table)).items():
                parts.setdefault((Head(*head), taxonomy), []).append(labels)
    return {key: pd.api.types.union_categoricals(labels) for key, labels in parts.items()}
