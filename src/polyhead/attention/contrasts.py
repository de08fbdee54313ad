"""What no cell of the other tables holds and the post's claims need, each with its interval over documents.

`⏎[·×3] and ⏎[·×7]`: total variation distance between the post's labels at these two destination tokens.
`second label at <token>`: share of the second most frequent of the post's labels at a destination token that
figures show; large where the token does not determine what the head attends to.
`indent_bigger over others`: from indentation tokens, mean mass on `indent_bigger` minus that on `indent_same`
and on `indent_smaller`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Bool, Int
from numpy import ndarray

from polyhead.attention.behaviours import line_indents
from polyhead.attention.distribution import Draws, drawn_shares, enough, label_counts
from polyhead.attention.labels import read_atoms
from polyhead.files import read_chunks
from polyhead.model.vocabulary import Vocabulary
from polyhead.stats import interval

COLUMNS = ["contrast", "value", "value_low", "value_high"]
POST = "post"
ALIKE = ("⏎[·×3]", "⏎[·×7]")
"""Two destination tokens that have "basically the same distributions" in the post."""
INDENTS = ("indent_bigger", "indent_same", "indent_smaller")

Line = tuple[str, float, float, float]


def contrasts(
    table: pd.DataFrame,
    shown: Sequence[str],
    labels: pd.DataFrame,
    shards: Sequence[Path | str],
    prompts: Int[ndarray, "prompt pos"],
    vocabulary: Vocabulary,
    draws: Draws,
) -> pd.DataFrame:
    """Compare what a head does at some destination tokens, and where it attends from indentation tokens.

    From its distribution, the tokens that figures show, the labels and shards of its rows, and all prompts.

    Columns: contrast, value, value_low, value_high; no line for what the study cannot say, no interval (NaN)
    where rows or documents are too few.
    """
    lines = second_labels(table, shown)
    if POST in labels:
        lines += distance(labels, vocabulary.labels, draws)
    indentation = np.stack([line_indents(tokens, vocabulary) >= 0 for tokens in prompts])
    tables = chain.from_iterable(read_chunks(path) for path in shards)
    lines += indent_preference(tables, indentation, draws)
    return pd.DataFrame(lines, columns=COLUMNS)


def second_labels(table: pd.DataFrame, shown: Sequence[str]) -> list[Line]:
    """Return the share of the second most frequent label at each token; 0 where there is one label."""
    post, lines = table[table["taxonomy"] == POST], []
    for name in shown:
        shares = post[post["token_label"] == name].sort_values("share", ascending=False)
        found = shares[["share", "share_low", "share_high"]].to_numpy().tolist()
        lines += [(f"second label at {name}", *[*found, [0.0] * 3][1])] if found else []
    return lines


def distance(labels: pd.DataFrame, names: Sequence[str], draws: Draws) -> list[Line]:
    """Return the total variation distance between the labels at two destination tokens, if there are both."""
    parts = [labels[labels["token"] == names.index(name)] for name in ALIKE if name in names]
    if len(parts) < len(ALIKE) or not all(map(len, parts)):
        return []
    documents = len(draws.weights)
    counts = [label_counts(part[POST].array, draws.document_of(part), documents) for part in parts]
    whole = [drawn_shares(each, np.ones((documents, 1))) for each in counts]
    drawn = [drawn_shares(each, draws.weights) for each in counts]
    value, values = (abs(one - other).sum(0, keepdims=True) / 2 for one, other in (whole, drawn))
    sides = interval(values)[:, 0] if all(enough(each.sum(0)) for each in counts) else (np.nan, np.nan)
    return [(" and ".join(ALIKE), value.item(), *sides)]


def indent_preference(
    tables: Iterable[pa.Table], indentation: Bool[ndarray, "prompt pos"], draws: Draws
) -> list[Line]:
    """Return the mean mass on bigger indents minus that on others, from rows of indentation tokens."""
    sums, counts = np.zeros((2, len(draws.weights)))
    for table in tables:
        prompt, position = table["prompt"].to_numpy(), table["position"].to_numpy()
        rows = indentation[prompt, position]
        bigger, same, smaller = read_atoms(table).union_mass([(name,) for name in INDENTS])[rows].T
        document = draws.documents.of(prompt[rows], position[rows])
        sums += np.bincount(document, bigger - same - smaller, len(counts))
        counts += np.bincount(document, minlength=len(counts))
    if not counts.any():
        return []
    sides: Sequence[float] = (np.nan, np.nan)
    if enough(counts):
        with np.errstate(invalid="ignore"):
            sides = interval((sums @ draws.weights / (counts @ draws.weights))[None])[:, 0].tolist()
    return [("indent_bigger over others", sums.sum() / counts.sum(), *sides)]
