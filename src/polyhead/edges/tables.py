"""The tables of all heads: the rows that each class of edges dominates, what cutting it costs, and a verdict.

A class gets a cost in a head where it has enough rows, and of these at most so many are measured, drawn at
random: what a large model takes grows with its heads, not with its text.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from polyhead.edges.classes import CLASS_BEHAVIOURS, CLASSES
from polyhead.edges.costs import Answer, Fill, Question, cut_only, edge_costs, keep_only
from polyhead.edges.survey import RealText, Survey, survey, thinned
from polyhead.edges.verdict import answers_by_head, behaviours_of, does, verdict_table
from polyhead.model.head import Head
from polyhead.model.protocol import AblationModel
from polyhead.model.vocabulary import ALL
from polyhead.stats import INTERVAL, ratio_table, resampled_ratios

OF_EVERY_HEAD = (ALL, "sink", *CLASS_BEHAVIOURS)
OF_STUDIED_HEADS = (ALL, *CLASSES)
LEAST_SHARE = 0.005
"""Share of a head's rows that a class must dominate to get a cost."""
OF_LINES = ("line_start", "indent")
"""Behaviours that are not asked for where no token of the prompts breaks a line."""
EXPLAINED = ["explained", "explained_low", "explained_high"]
COLUMNS = ["head", "edges", "rows", "documents", "share", "share_low", "share_high", "uniform", "mass"]
COLUMNS += ["entropy", "cost", "cost_low", "cost_high", "bos", "measured", "does"]

Report = Callable[[int], None]
ByDocument = Float[ndarray, "document line"]


@dataclass(frozen=True)
class EdgeTables:
    """`edges.csv`, `verdicts.csv`, and the survey that they rest on."""

    edges: pd.DataFrame
    verdicts: pd.DataFrame
    survey: Survey


@dataclass(frozen=True)
class Measured:
    """What was measured of some heads: of each pair of a head and a class with enough rows."""

    found: Survey
    text: RealText
    pairs: Sequence[tuple[Head, str]]
    questions: Sequence[Question]
    answers: Sequence[Answer]

    def sums(self, edit: int) -> ByDocument:
        """Return the summed costs of each pair's edit in each document."""
        lines = zip(self.questions, self.answers, strict=True)
        return by_document(self.text, [(one.rows, answer.costs[:, edit]) for one, answer in lines])

    @property
    def counts(self) -> ByDocument:
        """How many rows of each pair were measured in each document."""
        return by_document(self.text, [(question.rows, None) for question in self.questions])


def edge_tables(
    model: AblationModel,
    heads: Sequence[Head],
    text: RealText,
    studied: Sequence[Head] = (),
    *,
    most_rows: int = 4000,
    n_resamples: int,
    seed: int,
    report: Report = lambda done: None,
) -> EdgeTables:
    """Cut classes of edges of every head on the rows that they dominate; of each at most `most_rows`.

    Returns:
        edges: head, edges (a class, or `all`: the whole row), rows (that it dominates), documents (they are
            from), share (of the head's rows), uniform (that share if attention were uniform), mass (mean over
            all rows), entropy (mean of a row's, nats; of `all` alone), cost (nats, fill `mean`), bos (cost,
            fill `bos`), measured (rows), does. Intervals are bootstraps over documents; none for fewer than
            100 rows, or rows from fewer than 20 documents. Of `studied` heads all classes, of others `all`,
            `sink` and the behaviours.
        verdicts: see `verdict_table`.
    """
    measured = measure(model, survey(model, text.contexts(), heads), text, studied, most_rows, seed, report)
    edges = edges_table(measured, studied, n_resamples, seed)
    explained = explained_table(model, measured, edges, n_resamples, seed)
    return EdgeTables(edges, verdict_table(edges, explained), measured.found)


def lines_of(found: Survey, studied: Sequence[Head]) -> list[tuple[Head, str]]:
    """Return the head and the class of every line of `edges.csv`."""
    of_head = {head: OF_STUDIED_HEADS if head in studied else OF_EVERY_HEAD for head in found.heads}
    return [(head, name) for head, names in of_head.items() for name in names]


def measure(
    model: AblationModel,
    found: Survey,
    text: RealText,
    studied: Sequence[Head],
    most_rows: int,
    seed: int,
    report: Report,
) -> Measured:
    """Cut the edges of all classes that have enough rows, there, and fill by both ways."""
    pairs = [pair for pair in lines_of(found, studied) if found.share(*pair) >= LEAST_SHARE]
    questions = [
        Question(
            head,
            thinned(found.rows(head, name), most_rows, seed),
            (cut_only(name, Fill.MEAN), cut_only(name, Fill.BOS)),
            found.mean_of(head),
        )
        for head, name in pairs
    ]
    return Measured(found, text, pairs, questions, edge_costs(model, text.contexts(), questions, report))


def by_document(
    text: RealText, lines: Sequence[tuple[Bool[ndarray, "prompt pos"], Float[ndarray, " _"] | None]]
) -> ByDocument:
    """Return the sum of each line's values in each document; without values, the number of its rows."""
    codes = text.documents
    count = int(codes.max()) + 1
    sums = [np.bincount(codes[rows], values, count) for rows, values in lines]
    return np.array(sums, float).reshape(-1, count).T


def edges_table(measured: Measured, studied: Sequence[Head], n_resamples: int, seed: int) -> pd.DataFrame:
    """Return `edges.csv`."""
    found, lines = measured.found, lines_of(measured.found, studied)
    table = pd.DataFrame([row_facts(found, *pair) for pair in lines])
    table = table.join(share_table(measured, lines, n_resamples, seed))
    table = table.merge(cost_table(measured, n_resamples, seed), "left", on=["head", "edges"])
    table["does"] = [answer_of(line, found.lines) for line in table.to_dict("records")]
    return table[COLUMNS]


def row_facts(found: Survey, head: Head, name: str) -> dict[str, object]:
    """Return what the survey knows of a head and a class."""
    place = found.heads.index(head)
    if name == ALL:
        facts = {"uniform": 1.0, "mass": 1.0, "entropy": float(found.entropy[place])}
    else:
        code = CLASSES.index(name)
        facts = {"uniform": float(found.uniform[code]), "mass": float(found.mass[place, code])}
    return {"head": str(head), "edges": name, "entropy": np.nan, **facts}


def share_table(
    measured: Measured, lines: Sequence[tuple[Head, str]], n_resamples: int, seed: int
) -> pd.DataFrame:
    """Return rows, documents and share of every line, with the share's interval."""
    found, text = measured.found, measured.text
    sums = by_document(text, [(found.rows(head, name), None) for head, name in lines])
    every = np.broadcast_to(by_document(text, [(found.rows(*lines[0]), None)]), sums.shape)
    table = ratio_table(sums, every, every.sum(0).astype(int), n_resamples, seed)
    table = table.rename(columns={"mean": "share", "low": "share_low", "high": "share_high"})
    return table.assign(rows=sums.sum(0).astype(int), documents=(sums > 0).sum(0))


def cost_table(measured: Measured, n_resamples: int, seed: int) -> pd.DataFrame:
    """Return the costs of every pair that was measured."""
    counts = measured.counts
    rows: Int[ndarray, " line"] = counts.sum(0).astype(int)
    costs = ratio_table(measured.sums(0), counts, rows, n_resamples, seed)
    costs = costs.rename(columns={"mean": "cost", "low": "cost_low", "high": "cost_high"})
    pairs = pd.DataFrame([(str(head), name) for head, name in measured.pairs], columns=["head", "edges"])
    pairs = pairs.assign(bos=measured.sums(1).sum(0) / rows, measured=rows)
    return pairs.join(costs[["cost", "cost_low", "cost_high"]])


def answer_of(line: Mapping[Hashable, Any], lines: bool) -> str | None:
    """Return whether the head of a line does its behaviour; nothing for what is no behaviour."""
    if line["edges"] not in CLASS_BEHAVIOURS:
        return None
    return "not asked" if line["edges"] in OF_LINES and not lines else does(line)


def explained_table(
    model: AblationModel, measured: Measured, edges: pd.DataFrame, n_resamples: int, seed: int
) -> pd.DataFrame:
    """Return what the behaviours of each head explain, for heads that do any.

    explained = 1 − (cost of cutting all but the edges whose behaviours are all done, and the sink) / (cost
    of the whole row), both on the same rows. Empty unless the whole row's cost is surely above zero.
    """
    done = {head: behaviours_of(answers) for head, answers in answers_by_head(edges).items()}
    places = [place for place, (head, name) in enumerate(measured.pairs) if name == ALL and done[str(head)]]
    heads = [str(measured.pairs[place][0]) for place in places]
    whole = [measured.questions[place] for place in places]
    questions = [
        Question(one.head, one.rows, (keep_only(done[head], Fill.MEAN),), one.mean)
        for head, one in zip(heads, whole, strict=True)
    ]
    answers = edge_costs(model, measured.text.contexts(), questions)
    rest = by_document(
        measured.text, [(one.rows, answer.costs[:, 0]) for one, answer in zip(whole, answers, strict=True)]
    )
    sums, counts = measured.sums(0)[:, places], measured.counts[:, places]
    shares = [
        explained_share(sums[:, [k]], rest[:, [k]], counts[:, [k]], n_resamples, seed)
        for k in range(len(places))
    ]
    return pd.DataFrame(shares, index=heads, columns=EXPLAINED)


def explained_share(
    whole: Float[ndarray, "document 1"],
    rest: Float[ndarray, "document 1"],
    counts: Float[ndarray, "document 1"],
    n_resamples: int,
    seed: int,
) -> tuple[float, float, float]:
    """Return 1 − rest / whole and its interval, from sums by document; NaN unless whole is surely above 0."""
    cost = ratio_table(whole, counts, counts.sum(0).astype(int), n_resamples, seed)
    if not cost["low"].item() > 0:
        return np.nan, np.nan, np.nan
    draws = 1 - resampled_ratios(rest, whole, n_resamples, seed)
    low, high = np.percentile(draws, INTERVAL)
    return float(1 - rest.sum() / whole.sum()), float(low), float(high)
