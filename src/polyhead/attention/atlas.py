"""The atlas: what every head of the model does, as shares of labels and the entropy of their distribution.

All heads are read in one pass over the prompts, and only label counts are kept.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from polyhead.attention.behaviours import BEHAVIOURS
from polyhead.attention.labels import Atoms, Definitions
from polyhead.attention.rows import group_rows, occurring_atoms, prompt_contexts
from polyhead.model.head import Head
from polyhead.model.protocol import Heads, PatternModel
from polyhead.model.vocabulary import Vocabulary

COLUMNS = ["head", "taxonomy", "label", "rows", "share", "entropy"]
PROMPTS_AT_ONCE = 8
Counts = dict[tuple[Head, str], Counter[str]]


def atlas(
    model: PatternModel,
    vocabulary: Vocabulary,
    heads: Heads,
    prompts: Int[ndarray, "prompt pos"],
    definitions: Definitions,
) -> pd.DataFrame:
    """Label the rows of many heads in one pass over the prompts.

    Returns:
        head, taxonomy, label, rows, share, entropy (bits, of the head's distribution over the
        taxonomy's labels: 0 for a head that always does one thing).
    """
    masks = occurring_atoms(prompt_contexts(prompts, vocabulary, definitions.window))
    counts: Counts = {}
    for first in range(0, len(prompts), PROMPTS_AT_ONCE):
        some = slice(first, first + PROMPTS_AT_ONCE)
        contexts = list(prompt_contexts(prompts[some], vocabulary, definitions.window))
        for head, rows in group_rows(model, heads, prompts[some], contexts, masks).items():
            atoms = Atoms(rows.masses.T, masks.astype(np.int64), tuple(BEHAVIOURS))
            for name, labels in definitions.labels(atoms).items():
                found = labels.value_counts()
                counts.setdefault((Head(*head), name), Counter()).update(found[found > 0].to_dict())
    return atlas_table(counts)


def atlas_table(counts: Counts) -> pd.DataFrame:
    """Turn label counts per head and taxonomy into shares and entropies; most frequent label first."""
    lines = []
    for (head, taxonomy), labels in sorted(counts.items(), key=lambda item: item[0][0]):
        total, entropy = labels.total(), entropy_bits(np.array([*labels.values()], float))
        for label, rows in sorted(labels.items(), key=lambda item: (-item[1], item[0])):
            lines.append((str(head), taxonomy, label, rows, rows / total, entropy))
    return pd.DataFrame(lines, columns=COLUMNS)


def entropy_bits(counts: Float[ndarray, " label"]) -> float:
    """Return the entropy, in bits, of a distribution given by counts."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum()) + 0.0
