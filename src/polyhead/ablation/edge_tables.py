"""The edges of a few heads in full: every class cut, on the rows that each class dominates, three ways.

Of the rows that one class dominates at most `MOST_ROWS` are measured, drawn at random; over all rows, each of
them counts for as many as it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from polyhead.ablation.edge_costs import Answer, Fill, Question, cut_only, edge_costs, keep_only
from polyhead.ablation.edge_profile import ESTIMATES, PACKAGE, sums_by_cluster
from polyhead.ablation.edge_survey import RealText, Survey, thinned
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS, CLASSES, NONE
from polyhead.model.head import Head
from polyhead.model.protocol import AblationModel
from polyhead.model.vocabulary import ALL
from polyhead.stats import ratio_table

MOST_ROWS = 4000
CUTS = (ALL, *CLASSES)
"""What is cut, one at a time; also the kinds of rows that are told apart."""
CUT_EDITS = tuple(product(CUTS, Fill))
KEEP_EDITS = tuple(product(CLASSES, Fill))
COLUMNS = ["edges", "rows_dominated_by", "method", "rows", "documents", "share", "mass"]
EDITS = (*(cut_only(*one) for one in CUT_EDITS), *(keep_only([name], method) for name, method in KEEP_EDITS))
"""What is done at every measured row: a class, or the whole row, is cut; or all but a class and rest."""


def head_edge_costs(
    model: AblationModel,
    found: Survey,
    text: RealText,
    n_resamples: int,
    seed: int,
    report: Callable[[int], None] = lambda done: None,
) -> dict[Head, pd.DataFrame]:
    """Cut every class of edges of the surveyed heads, at rows of every kind.

    Returns:
        For every head: edges (a class, or `all`: the whole row), rows_dominated_by (a class, or `all` rows),
        method, rows and documents (of the rows so dominated), share (of all rows), mass (mean, of the edges
        on these rows), cost (nats) with low and high (bootstrap over documents), joint_low and joint_high
        (for all lines of the head together), package_low and package_high (bootstrap over packages), kept,
        measured (rows).

        kept = 1 − (cost of cutting all classes but `edges` and rest) / (cost of cutting the whole row): how
        much of the whole row's effect these edges explain. Empty unless the whole row's cost is surely above
        zero. No interval for fewer than 100 rows, or rows from fewer than 20 documents.
    """
    questions = [
        Question(head, measured_rows(found, head, seed), EDITS, found.mean_of(head)) for head in found.heads
    ]
    answers = edge_costs(model, text.contexts(), questions, report)
    return {
        question.head: _table(question, answer, found, text, n_resamples, seed)
        for question, answer in zip(questions, answers, strict=True)
    }


def read_costs(path: Path | str) -> pd.DataFrame:
    """Read `edge_costs.csv`."""
    return pd.read_csv(path)


def measured_rows(found: Survey, head: Head, seed: int) -> Bool[ndarray, "prompt pos"]:
    """Return the rows to measure: some of those that each class dominates, and some that none does."""
    undominated = found.rows(head, ALL) & (found.dominating[found.heads.index(head)] == NONE)
    kinds = [undominated, *(found.rows(head, name) for name in CLASSES)]
    return np.any([thinned(kind, MOST_ROWS, seed) for kind in kinds], axis=0)


def _table(
    question: Question, answer: Answer, found: Survey, text: RealText, n_resamples: int, seed: int
) -> pd.DataFrame:
    head = question.head
    kinds = [name for name in CUTS if found.rows(head, name).any()]
    weights = row_weights(question, found, kinds)
    mass = weights.T @ answer.masses / weights.sum(0)[:, None]
    cut, keep = np.split(answer.costs, [len(CUT_EDITS)], axis=1)
    lines = []
    for place, kind in enumerate(kinds):
        rows = found.rows(head, kind)
        facts: dict[str, float] = {
            "rows": int(rows.sum()),
            "documents": len(np.unique(text.clusters.documents[rows])),
        }
        facts |= {"share": found.share(head, kind), "measured": int((weights[:, place] > 0).sum())}
        kept = dict(zip(KEEP_EDITS, weights[:, place] @ keep / weights[:, place].sum(), strict=True))
        for edges, method in CUT_EDITS:
            of_edges = 1.0 if edges == ALL else float(mass[place, CLASSES.index(edges)])
            named = {"edges": edges, "rows_dominated_by": kind, "method": method.value}
            lines.append(named | facts | {"mass": of_edges, "all_else": kept.get((edges, method), 0.0)})
    if not lines:
        return pd.DataFrame(columns=[*COLUMNS, *ESTIMATES, *PACKAGE, "kept", "measured"])
    table = pd.DataFrame(lines)
    numbers = cost_estimates(cut, weights, question.rows, table["rows"], text, n_resamples, seed)
    table = pd.concat([table, numbers], axis=1)
    return table.assign(kept=kept_shares(table))[[*COLUMNS, *ESTIMATES, *PACKAGE, "kept", "measured"]]


def row_weights(question: Question, found: Survey, kinds: Sequence[str]) -> Float[ndarray, "row kind"]:
    """Return for how many rows each measured row stands, among those of each kind it is of; else 0."""
    codes = found.dominating[found.heads.index(question.head)]
    measured, every = codes[question.rows], codes[found.rows(question.head, ALL)]
    stands_for = np.bincount(every, minlength=NONE + 1) / np.bincount(measured, minlength=NONE + 1).clip(1)
    of_kind = [
        np.ones(len(measured), bool) if kind == ALL else measured == CLASSES.index(kind) for kind in kinds
    ]
    return np.stack([*of_kind, measured < 0], 1)[:, :-1] * stands_for[measured][:, None]


def cost_estimates(
    costs: Float[ndarray, "row edit"],
    weights: Float[ndarray, "row kind"],
    rows: Bool[ndarray, "prompt pos"],
    counts: pd.Series,
    text: RealText,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Return the weighted mean of every edit's costs for every kind of row, a line each, with intervals."""
    weighted = np.concatenate([costs * weight[:, None] for weight in weights.T], 1)

    def by(codes: Int[ndarray, "prompt pos"]) -> pd.DataFrame:
        clusters, count = codes[rows], int(codes.max()) + 1
        sums = sums_by_cluster(weighted, clusters, count)
        ones = np.repeat(sums_by_cluster(weights, clusters, count), costs.shape[1], axis=1)
        return ratio_table(sums, ones, counts.to_numpy(int), n_resamples, seed)

    table = by(text.clusters.documents).rename(columns={"mean": "cost"})
    table[PACKAGE] = np.nan
    if text.clusters.packages is not None:
        table[PACKAGE] = by(text.clusters.packages)[["low", "high"]]
    return table


def kept_shares(table: pd.DataFrame) -> pd.Series:
    """Return what keeping only a line's edges, and rest, leaves of the whole row's effect there."""
    key = ["rows_dominated_by", "method"]
    whole = (
        table[table["edges"] == ALL]
        .set_index(key)
        .loc[list(zip(*(table[name] for name in key), strict=True))]
    )
    share = 1 - table["all_else"].to_numpy() / whole["cost"].to_numpy()
    return pd.Series(np.where(whole["low"] > 0, share, np.nan), table.index)


def context_matrix(costs: pd.DataFrame, method: str = Fill.MEAN) -> pd.DataFrame:
    """Return what cutting each behaviour's edges costs on the rows that another dominates.

    Columns: rows_dominated_by, edges, rows, documents, cost, low, high, joint_low, joint_high; all pairs of
    the four behaviours, as far as there are rows. A head that does several things in different contexts has
    large costs on the diagonal alone.
    """
    some = costs["edges"].isin(CLASS_BEHAVIOURS) & costs["rows_dominated_by"].isin(CLASS_BEHAVIOURS)
    columns = ["rows_dominated_by", "edges", "rows", "documents", *ESTIMATES]
    return costs.loc[some & (costs["method"] == method), columns].reset_index(drop=True)
