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
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from polyhead.attention.behaviours import line_indents
from polyhead.attention.distribution import clusters_of, drawn_shares, draws, enough, label_counts
from polyhead.attention.labels import read_atoms
from polyhead.files import read_chunks
from polyhead.model.vocabulary import Vocabulary
from polyhead.prompts.clusters import Clustering
from polyhead.stats import LEAST_CLUSTERS, LEAST_ROWS, interval

COLUMNS = ["contrast", "value", "value_low", "value_high"]
POST = "post"
ALIKE = ("⏎[·×3]", "⏎[·×7]")
"""Two destination tokens that have "basically the same distributions" in the post."""
INDENTS = ("indent_bigger", "indent_same", "indent_smaller")

Line = tuple[str, float, float, float]
Weights = Float[ndarray, "cluster draw"]


def contrasts(
    table: pd.DataFrame,
    shown: Sequence[str],
    labels: pd.DataFrame,
    shards: Sequence[Path | str],
    prompts: Int[ndarray, "prompt pos"],
    vocabulary: Vocabulary,
    clusters: Clustering,
    *,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Compare what a head does at some destination tokens, and where it attends from indentation tokens.

    Args:
        table: the head's distribution.
        shown: the destination tokens that figures show.
        labels: prompt, position, token and one categorical column per taxonomy.
        shards: the head's rows.
        prompts: all prompts of the study.
        vocabulary: the texts of the tokens.
        clusters: the document of every row.
        n_resamples: bootstrap draws, of whole documents.
        seed: seed of the bootstrap.

    Returns:
        contrast, value, value_low, value_high; no line for what the study cannot say, no interval (NaN) where
        rows or documents are too few.
    """
    weights = draws(clusters, n_resamples, seed)
    lines = second_labels(table, shown)
    if POST in labels:
        lines += distance(labels, vocabulary.labels, clusters, weights)
    indentation = np.stack([line_indents(tokens, vocabulary) >= 0 for tokens in prompts])
    tables = chain.from_iterable(read_chunks(path) for path in shards)
    lines += indent_preference(tables, indentation, clusters, weights)
    return pd.DataFrame(lines, columns=COLUMNS)


def second_labels(table: pd.DataFrame, shown: Sequence[str]) -> list[Line]:
    """Return the share of the second most frequent label at each token; 0 where there is one label."""
    post, lines = table[table["taxonomy"] == POST], []
    for name in shown:
        shares = post[post["token_label"] == name].sort_values("share", ascending=False)
        sides = ["share", "share_low", "share_high"]
        lines += [(f"second label at {name}", *line) for line in shares[sides].to_numpy()[1:2].tolist()]
        lines += [(f"second label at {name}", 0.0, 0.0, 0.0)] if len(shares) == 1 else []
    return lines


def distance(
    labels: pd.DataFrame, names: Sequence[str], clusters: Clustering, weights: Weights
) -> list[Line]:
    """Return the total variation distance between the labels at two destination tokens, if there are both."""
    parts = [labels[labels["token"] == names.index(name)] for name in ALIKE if name in names]
    if len(parts) < len(ALIKE) or not all(map(len, parts)):
        return []
    counts = [label_counts(part[POST].array, clusters_of(part, clusters), len(weights)) for part in parts]
    whole = [drawn_shares(each, np.ones((len(weights), 1))) for each in counts]
    drawn = [drawn_shares(each, weights) for each in counts]
    value, values = (abs(one - other).sum(0, keepdims=True) / 2 for one, other in (whole, drawn))
    sides = interval(values)[:, 0] if all(map(enough, counts)) else (np.nan, np.nan)
    return [(" and ".join(ALIKE), value.item(), *sides)]


def indent_preference(
    tables: Iterable[pa.Table],
    indentation: Bool[ndarray, "prompt pos"],
    clusters: Clustering,
    weights: Weights,
) -> list[Line]:
    """Return the mean mass on bigger indents minus that on others, from indentation tokens.

    Args:
        tables: rows of all prompts.
        indentation: which tokens of the prompts are indentation tokens.
        clusters: the document of every row.
        weights: how often each document occurs in each draw.
    """
    sums, counts = np.zeros((2, len(weights)))
    for table in tables:
        prompt, position = table["prompt"].to_numpy(), table["position"].to_numpy()
        rows = indentation[prompt, position]
        bigger, same, smaller = read_atoms(table).union_mass([(name,) for name in INDENTS])[rows].T
        cluster = clusters.of(prompt[rows], position[rows])
        sums += np.bincount(cluster, bigger - same - smaller, len(weights))
        counts += np.bincount(cluster, minlength=len(weights))
    if not counts.any():
        return []
    sides: Sequence[float] = (np.nan, np.nan)
    if counts.sum() >= LEAST_ROWS and np.count_nonzero(counts) >= LEAST_CLUSTERS:
        with np.errstate(invalid="ignore"):
            sides = interval((sums @ weights / (counts @ weights))[None])[:, 0].tolist()
    return [("indent_bigger over others", sums.sum() / counts.sum(), *sides)]
