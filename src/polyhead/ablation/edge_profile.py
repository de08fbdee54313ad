"""The causal profile of every head: rows that each behaviour dominates, what cutting its edges costs there.

Only pairs of a head and a behaviour that have enough rows get a cost, and of these rows at most so many
are measured, drawn at random: what a large model takes grows with its heads, not with its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from polyhead.ablation.edge_costs import Answer, Fill, Question, cut_only, edge_costs, keep_only
from polyhead.ablation.edge_survey import RealText, Survey, survey, thinned
from polyhead.ablation.verdict import VARIANTS, answers_by_head, behaviours_of
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS, CLASSES
from polyhead.model.head import Head
from polyhead.model.protocol import AblationModel
from polyhead.stats import INTERVAL, LEAST_CLUSTERS, LEAST_ROWS, ratio_table, resampled_ratios

LEAST_SHARE = min(bounds.share for bounds in VARIANTS.values())
"""Share of a head's rows that a behaviour must dominate to get a cost: half the bound of the verdict."""


@dataclass(frozen=True)
class Profile:
    """The tables `edge_profile.csv`, `edge_contexts.csv` and `edge_explained.csv`; and sums by document."""

    costs: pd.DataFrame
    contexts: pd.DataFrame
    explained: pd.DataFrame
    documents: DocumentSums


@dataclass(frozen=True)
class DocumentSums:
    """What the lines of `costs` are made of, document by document: sums over rows, in the order of its lines.

    Shares, costs and verdicts of other draws of documents follow from them without the model.
    """

    every: Int[ndarray, " document"]
    """Rows that count."""
    rows: Int[ndarray, "line document"]
    """Rows that the behaviour dominates; of these, how many were measured, and their summed costs (nats)."""
    measured: Int[ndarray, "line document"]
    cost: Float[ndarray, "line document"]
    bos: Float[ndarray, "line document"]


@dataclass(frozen=True)
class Measured:
    """The survey of some heads, and the answers for the pairs of a head and a behaviour with enough rows."""

    found: Survey
    pairs: Sequence[tuple[Head, str]]
    questions: Sequence[Question]
    answers: Sequence[Answer]


Report = Callable[[int], None]


def profile_heads(
    model: AblationModel,
    heads: Sequence[Head],
    text: RealText,
    *,
    n_resamples: int,
    seed: int,
    report: Report = lambda done: None,
    most_rows: int = 4000,
) -> Profile:
    """Cut the edges of every head's behaviours on the rows that they dominate; of each at most `most_rows`.

    Returns:
        costs: head, edges (a behaviour), rows (that it dominates), documents (they are from), share (of the
            head's rows), mass (mean over all rows), cost (nats, method mean) with low and high (bootstrap
            over documents), joint_low and joint_high (for all pairs together), package_low and package_high
            (bootstrap over packages), bos and rescaled (the cost by those methods), rest (share of the
            head's rows that rest dominates), measured (rows).
        contexts: head, rows_dominated_by, edges, rows, cost, low, high, joint_low, joint_high: what cutting
            each behaviour's edges costs on the rows that another dominates; behaviours with enough rows.
        explained: head, behaviours, whole (cost of the whole row over all rows, with whole_low, whole_high),
            explained, explained_low, explained_high: what keeping only the edges of these behaviours, and
            rest, leaves of it. For the behaviours that the head does, by any variant of the bounds.
        documents: the sums behind `costs`, by document.
    """
    measured = measure(model, heads, text, most_rows, seed, report)
    contexts = _contexts(measured, text, n_resamples, seed)
    costs = _costs(measured.found, contexts, text)
    return Profile(
        costs,
        contexts[contexts["method"] == Fill.MEAN].drop(columns=["method", "package_low", "package_high"]),
        _explained(model, measured.found, costs, text, most_rows, n_resamples=n_resamples, seed=seed),
        document_sums(measured, text),
    )


def measure(
    model: AblationModel,
    heads: Sequence[Head],
    text: RealText,
    most_rows: int,
    seed: int,
    report: Report,
) -> Measured:
    """Survey the heads, and cut the edges of all behaviours that have enough rows."""
    found = survey(model, text.contexts(), heads)
    pairs = [(head, name) for head in found.heads for name in candidates(found, head)]
    questions = [_question(found, head, name, most_rows, seed) for head, name in pairs]
    return Measured(found, pairs, questions, edge_costs(model, text.contexts(), questions, report))


def read_profile(path: Path | str) -> pd.DataFrame:
    """Read `edge_profile.csv`."""
    return pd.read_csv(path, dtype={"head": str})


def candidates(found: Survey, head: Head) -> list[str]:
    """Return the behaviours that dominate enough of a head's rows to get a cost."""
    return [name for name in CLASS_BEHAVIOURS if found.share(head, name) >= LEAST_SHARE]


def _question(found: Survey, head: Head, name: str, most_rows: int, seed: int) -> Question:
    """Ask for a behaviour by every method, and for the head's other behaviours by `mean`, on its rows."""
    others = [other for other in candidates(found, head) if other != name]
    edits = [cut_only(name, method) for method in Fill] + [cut_only(other, Fill.MEAN) for other in others]
    rows = thinned(found.rows(head, name), most_rows, seed)
    return Question(head, rows, tuple(edits), found.mean_of(head))


def sums_by_cluster(
    values: Float[ndarray, "row column"], clusters: Int[ndarray, " row"], count: int
) -> Float[ndarray, "cluster column"]:
    """Return the sum of each column over the rows of each cluster."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, clusters, values)
    return sums


def clustered(
    values: Sequence[Float[ndarray, "_ _"]],
    rows: Sequence[Bool[ndarray, "prompt pos"]],
    codes: Int[ndarray, "prompt pos"],
) -> tuple[Float[ndarray, "cluster column"], Float[ndarray, "cluster column"]]:
    """Return sums and counts per cluster of the columns of all questions, side by side."""
    count = int(codes.max()) + 1
    sums = [sums_by_cluster(some, codes[at], count) for some, at in zip(values, rows, strict=True)]
    ones = [
        sums_by_cluster(np.ones_like(some), codes[at], count) for some, at in zip(values, rows, strict=True)
    ]
    return np.concatenate(sums, 1), np.concatenate(ones, 1)


def _contexts(measured: Measured, text: RealText, n_resamples: int, seed: int) -> pd.DataFrame:
    """Return one line for every question's edit, with intervals over documents and packages."""
    lines = [
        {"head": str(head), "rows_dominated_by": name, "edges": edit.cut[0], "method": edit.method}
        | {"rows": int(measured.found.rows(head, name).sum()), "measured": int(question.rows.sum())}
        for (head, name), question in zip(measured.pairs, measured.questions, strict=True)
        for edit in question.edits
    ]
    table = pd.DataFrame(lines, columns=["head", "rows_dominated_by", "edges", "method", "rows", "measured"])
    if table.empty:
        return table.assign(**dict.fromkeys([*ESTIMATES, *PACKAGE], pd.Series(dtype=float)))
    costs = [answer.costs for answer in measured.answers]
    rows = [question.rows for question in measured.questions]
    return pd.concat([table, estimates(costs, rows, table["rows"], text, n_resamples, seed)], axis=1)


ESTIMATES = ["cost", "low", "high", "joint_low", "joint_high"]
PACKAGE = ["package_low", "package_high"]


def estimates(
    costs: Sequence[Float[ndarray, "_ _"]],
    rows: Sequence[Bool[ndarray, "prompt pos"]],
    counts: pd.Series,
    text: RealText,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Return the mean of every column of costs, with intervals by document, joint, and by package."""
    totals = counts.to_numpy(int)
    by_document = clustered(costs, rows, text.clusters.documents)
    table = ratio_table(*by_document, totals, n_resamples, seed).rename(columns={"mean": "cost"})
    table[PACKAGE] = np.nan
    if text.clusters.packages is not None:
        by_package = ratio_table(*clustered(costs, rows, text.clusters.packages), totals, n_resamples, seed)
        table[PACKAGE] = by_package[["low", "high"]]
    return table


def document_sums(measured: Measured, text: RealText) -> DocumentSums:
    """Return sums over each document's rows for every head and behaviour; zero where nothing was asked."""
    codes, found = text.clusters.documents, measured.found
    count = int(codes.max()) + 1

    def by_document(
        rows: Bool[ndarray, "prompt pos"], values: Float[ndarray, " row"] | None = None
    ) -> ndarray:
        return np.bincount(codes[rows], values, count)

    lines = [(head, name) for head in found.heads for name in CLASS_BEHAVIOURS]
    rows = np.stack([by_document(found.rows(head, name)) for head, name in lines])
    asked, cost, bos = np.zeros_like(rows), np.zeros(rows.shape), np.zeros(rows.shape)
    for pair, question, answer in zip(measured.pairs, measured.questions, measured.answers, strict=True):
        line = lines.index(pair)
        asked[line] = by_document(question.rows)
        for sums, method in ((cost, Fill.MEAN), (bos, Fill.BOS)):
            place = question.edits.index(cut_only(pair[1], method))
            sums[line] = by_document(question.rows, answer.costs[:, place].astype(float))
    return DocumentSums(by_document(found.rows(found.heads[0], "all")), rows, asked, cost, bos)


def _costs(found: Survey, contexts: pd.DataFrame, text: RealText) -> pd.DataFrame:
    """Return one line for every head and behaviour; without a cost where the rows are too few."""
    own = contexts[contexts["edges"] == contexts["rows_dominated_by"]].set_index(["head", "edges", "method"])
    lines = []
    for head in found.heads:
        rest = found.share(head, "rest")
        for name in CLASS_BEHAVIOURS:
            rows = found.rows(head, name)
            line = {"head": str(head), "edges": name, "rows": int(rows.sum())}
            line |= {
                "documents": len(np.unique(text.clusters.documents[rows])),
                "share": found.share(head, name),
            }
            line["mass"] = float(found.mass[found.heads.index(head), CLASSES.index(name)])
            key = (str(head), name, Fill.MEAN)
            known = key in own.index
            line |= {column: own.loc[key, column] if known else np.nan for column in [*ESTIMATES, *PACKAGE]}
            for method in (Fill.BOS, Fill.RESCALED):
                line[method.value] = own.loc[(str(head), name, method), "cost"] if known else np.nan
            line |= {"rest": rest, "measured": own.loc[key, "measured"] if known else 0}
            lines.append(line)
    return pd.DataFrame(lines)


def _explained(
    model: AblationModel,
    found: Survey,
    costs: pd.DataFrame,
    text: RealText,
    most_rows: int,
    *,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Keep only the edges of what each head does, on a sample of all rows."""
    sets = done_sets(costs)
    questions = [
        Question(
            Head.parse(head),
            thinned(found.rows(Head.parse(head), "all"), most_rows, seed),
            (cut_only("all", Fill.MEAN), *(keep_only(names, Fill.MEAN) for names in some)),
            found.mean_of(Head.parse(head)),
        )
        for head, some in sets.items()
    ]
    lines = []
    for (head, some), question, answer in zip(
        sets.items(), questions, edge_costs(model, text.contexts(), questions), strict=True
    ):
        by_document = clustered([answer.costs], [question.rows], text.clusters.documents)
        shares = explained_shares(*by_document, len(answer.costs), n_resamples, seed)
        lines += [
            {"head": head, "behaviours": "+".join(names), **share}
            for names, share in zip(some, shares, strict=True)
        ]
    return pd.DataFrame(lines, columns=["head", "behaviours", *EXPLAINED])


def done_sets(costs: pd.DataFrame) -> dict[str, list[tuple[str, ...]]]:
    """Return the sets of behaviours that each head does by any variant of the bounds, where it does any."""
    sets: dict[str, list[tuple[str, ...]]] = {}
    for bounds in VARIANTS.values():
        for head, answers in answers_by_head(costs, bounds).items():
            done = behaviours_of(answers)
            if done and done not in sets.setdefault(head, []):
                sets[head].append(done)
    return {head: some for head, some in sets.items() if some}


EXPLAINED = ["whole", "whole_low", "whole_high", "explained", "explained_low", "explained_high"]


def explained_shares(
    sums: Float[ndarray, "cluster run"],
    counts: Float[ndarray, "cluster run"],
    rows: int,
    n_resamples: int,
    seed: int,
) -> Iterable[Mapping[str, float]]:
    """Yield what each set of kept edges explains; run 0 cuts the whole row, others all but a set.

    explained = 1 − (cost of cutting everything else) / (cost of cutting the whole row); NaN unless the whole
    row's cost is surely above zero.
    """
    whole, *_ = ratio_table(sums[:, :1], counts[:, :1], np.array([rows]), n_resamples, seed).itertuples()
    sure = whole.low > 0
    enough = rows >= LEAST_ROWS and (counts[:, 0] > 0).sum() >= LEAST_CLUSTERS
    draws = (
        resampled_ratios(sums, counts, n_resamples, seed) if enough else np.full((1, sums.shape[1]), np.nan)
    )
    for run in range(1, sums.shape[1]):
        share, low, high = np.nan, np.nan, np.nan
        if sure:
            share = 1 - sums[:, run].sum() / sums[:, 0].sum()
            low, high = np.percentile(1 - draws[:, run] / draws[:, 0], INTERVAL)
        yield dict(zip(EXPLAINED, (whole.mean, whole.low, whole.high, share, low, high), strict=True))
