"""How labels are distributed: over all rows, and over the rows of single destination tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import coo_array, csr_array

from polyhead.model.vocabulary import ALL
from polyhead.prompts.clusters import Clustering
from polyhead.stats import LEAST_CLUSTERS, LEAST_ROWS, cluster_weights, interval

COLUMNS = ["taxonomy", "token_label", "label", "rows", "share", "share_low", "share_high"]
FEWEST_TO_SELECT = 20
"""Rows that a destination token must have in the sample on which the tokens to show are chosen."""


@dataclass(frozen=True)
class Draws:
    """Bootstrap draws of whole documents: which rows a document has, and how often it is in each draw."""

    documents: Clustering
    weights: Float[ndarray, "document draw"]

    def document_of(self, rows: pd.DataFrame) -> Int[ndarray, " row"]:
        """Return the document of every row, from the columns prompt and position."""
        return self.documents.of(rows["prompt"].to_numpy(), rows["position"].to_numpy())


def draw_documents(documents: Clustering, n_resamples: int, seed: int) -> Draws:
    """Draw documents with replacement, `n_resamples` times."""
    weights = cluster_weights(documents.count, n_resamples, seed).T
    return Draws(documents, np.ascontiguousarray(weights, np.float64))


def distribution(
    labels: pd.DataFrame, names: Sequence[str], taxonomies: Sequence[str], minimum: int, draws: Draws
) -> pd.DataFrame:
    """Tabulate the share of every label with its interval, over all rows and for frequent destination tokens.

    `labels` are prompt, position, token and one categorical column per taxonomy; `names` is the label of
    every token id. Destination tokens with fewer than `minimum` rows are left out.

    Columns: taxonomy, token_label (`all` or a label), label, rows, share, share_low, share_high (95 %).
    Tokens are sorted by falling frequency; labels that a token never has are left out. A token with fewer
    than 100 rows, or rows of fewer than 20 documents, has no interval: the sides are NaN.
    """
    document = draws.document_of(labels)
    tokens = labels["token"].value_counts(sort=False).sort_index().sort_values(ascending=False, kind="stable")
    rows_of = labels.groupby("token").indices
    groups = {ALL: np.arange(len(labels))}
    groups |= {names[token]: rows_of[token] for token, rows in tokens.items() if rows >= minimum}
    parts = [
        label_shares(labels[taxonomy].array[rows], document[rows], draws).assign(
            taxonomy=taxonomy, token_label=name
        )
        for taxonomy in taxonomies
        for name, rows in groups.items()
    ]
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def label_shares(labels: pd.Categorical, document: Int[ndarray, " row"], draws: Draws) -> pd.DataFrame:
    """Tabulate the labels of some rows: label, rows, share, share_low, share_high; those that occur alone."""
    counts = label_counts(labels, document, len(draws.weights))
    rows = counts.sum(1).astype(np.int64)
    found = np.flatnonzero(rows)
    table = pd.DataFrame({"label": labels.categories[found], "rows": rows[found]})
    low, high = np.full((2, len(found)), np.nan)
    if enough(counts.sum(0)):
        low, high = interval(drawn_shares(counts[found], draws.weights))
    return table.assign(share=table["rows"] / rows.sum(), share_low=low, share_high=high)


def label_counts(labels: pd.Categorical, document: Int[ndarray, " row"], documents: int) -> csr_array:
    """Count the rows of every label (rows of the matrix) in every document (columns)."""
    shape = len(labels.categories), documents
    return coo_array((np.ones(len(labels)), (labels.codes, document)), shape).tocsr()


def enough(rows: Float[ndarray, " document"]) -> bool:
    """Whether rows are enough, and from enough documents, for an interval."""
    return bool(rows.sum() >= LEAST_ROWS and np.count_nonzero(rows) >= LEAST_CLUSTERS)


def drawn_shares(counts: csr_array, weights: Float[ndarray, "document draw"]) -> Float[ndarray, "label draw"]:
    """Return the share of every label in every bootstrap draw; NaN in a draw without any row."""
    drawn = counts @ weights
    with np.errstate(invalid="ignore"):
        return drawn / drawn.sum(0)


def shown_tokens(shares: pd.DataFrame, named: Sequence[str], frequent: int, unlike: int) -> list[str]:
    """Choose the destination tokens of a figure: those named, the most frequent, and those most unlike `all`.

    `shares` are token × label: `all`, then tokens by falling frequency. Unlike is measured by the total
    variation distance between a token's shares and those of all rows.
    """
    distance = (shares - shares.loc[ALL]).abs().sum(1) / 2
    others = [name for name in shares.index if name != ALL]
    chosen = [name for name in named if name in others]
    chosen += [name for name in others if name not in chosen][:frequent]
    rest = [name for name in others if name not in chosen]
    chosen += sorted(rest, key=lambda name: (-distance[name], name))[:unlike]
    return [ALL, *chosen]


def figure_tokens(
    table: pd.DataFrame,
    selected: Sequence[str] | None,
    taxonomy: str,
    named: Sequence[str],
    frequent: int,
    unlike: int,
    minimum_rows: int,
) -> dict[str, object]:
    """Return the destination tokens that figures show, those of the named ones that they do not, and why.

    They are those selected on another sample; without these, `shown_tokens` of the head's distribution.
    `minimum_rows`: rows that a token of the distribution has at least.
    """
    if selected is None:
        of_tokens = {"index": "token_label", "columns": "label", "values": "share"}
        shares = table[table["taxonomy"] == taxonomy].pivot_table(**of_tokens, fill_value=0.0, sort=False)
        selected = shown_tokens(shares, named, frequent, unlike)
    shown = [name for name in selected if name in set(table["token_label"])]
    absent = [name for name in named if name not in shown]
    return {"shown": shown, "absent": absent, "minimum_rows": minimum_rows}
