"""The tables of all heads: the rows that each class of edges dominates, what cutting it costs, and a verdict.

A class gets a cost in a head where it has enough rows, and of these at most so many are measured: what a
large model takes grows with its heads, not with its text. Behaviours that these rows leave open get more.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from polyhead.edges.classes import CLASS_BEHAVIOURS, CLASSES
from polyhead.edges.costs import Fill, Question, cut_only, edge_costs, keep_only
from polyhead.edges.survey import RealText, Survey, drawn, survey
from polyhead.edges.verdict import answers_by_head, behaviours_of, does, needs_more, verdict_table
from polyhead.model.head import Head
from polyhead.model.protocol import Model
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

Lines = Sequence[tuple[Head, str]]
"""Head and class, or `all`."""
ByDocument = Float[ndarray, "document line"]
ByFill = Float[ndarray, "fill document line"]


@dataclass(frozen=True)
class EdgeTables:
    """`edges.csv`, `verdicts.csv`, and the survey that they rest on."""

    edges: pd.DataFrame
    verdicts: pd.DataFrame
    survey: Survey


@dataclass(frozen=True)
class Measured:
    """What was measured of some heads: of each pair of a head and a class, on the rows of its question.

    `sums` are costs, summed in each document: under the fill `mean`, and under `bos`, NaN where not asked.
    """

    found: Survey
    text: RealText
    pairs: Lines
    questions: Sequence[Question]
    sums: ByFill

    @property
    def counts(self) -> ByDocument:
        """How many rows of each pair were measured in each document."""
        return by_document(self.text, self.questions, [np.ones(one.rows.sum()) for one in self.questions])

    def and_more(self, places: Sequence[int], questions: Sequence[Question], sums: ByFill) -> Measured:
        """Return the same with more rows of the pairs at some places."""
        every, total = list(self.questions), self.sums.copy()
        for place, more in zip(places, questions, strict=True):
            every[place] = replace(more, rows=every[place].rows | more.rows)
        total[:, :, list(places)] += sums
        return replace(self, questions=every, sums=total)


def edge_tables(
    model: Model,
    heads: Sequence[Head],
    text: RealText,
    studied: Sequence[Head] = (),
    *,
    cut: Sequence[str] = OF_STUDIED_HEADS,
    rows: int = 4000,
    more_rows: int = 0,
    n_resamples: int,
    seed: int,
    report: Callable[[int], None] = lambda done: None,
) -> EdgeTables:
    """Cut classes of edges, those named in `cut`, of every head on the rows that they dominate.

    At most `rows` of each are measured, and up to `more_rows` more of behaviours that these leave open
    (`needs_more`) and of all classes of the `studied` heads.

    Returns:
        edges: head, edges (a class, or `all`: the whole row), rows (that it dominates), documents (they are
            from), share (of the head's rows), uniform (that share if attention were uniform), mass (mean over
            all rows), entropy (mean of a row's, nats; of `all` alone), cost (nats, fill `mean`), bos (cost,
            fill `bos`; of behaviours and of `studied` heads), measured (rows), does. Intervals are bootstraps
            over documents; none for fewer than 100 rows, or rows from fewer than 20 documents. Of `studied`
            heads all classes, of others `all`, `sink` and the behaviours.
        verdicts: see `verdict_table`.
    """
    found = survey(model, text.contexts(), heads)
    names = {head: OF_STUDIED_HEADS if head in studied else OF_EVERY_HEAD for head in found.heads}
    lines = [(head, name) for head in found.heads for name in names[head]]
    pairs = [pair for pair in lines if pair[1] in cut and found.share(*pair) >= LEAST_SHARE]
    looks = [drawn(found.rows(*pair), rows, more_rows, seed) for pair in pairs]
    questions = [question(found, *pair, look[0], studied) for pair, look in zip(pairs, looks, strict=True)]
    sums = summed_costs(model, text, questions, report)
    measured = Measured(found, text, pairs, questions, sums)
    edges = edges_table(measured, lines, n_resamples, seed)
    if more_rows:
        places = open_pairs(edges, pairs, studied)
        questions = [replace(questions[place], rows=looks[place][1]) for place in places]
        measured = measured.and_more(places, questions, summed_costs(model, text, questions, report))
        edges = edges_table(measured, lines, n_resamples, seed)
    explained = explained_table(model, measured, edges, n_resamples, seed)
    return EdgeTables(edges, verdict_table(edges, explained), found)


def question(
    found: Survey, head: Head, name: str, rows: Bool[ndarray, "prompt pos"], studied: Sequence[Head]
) -> Question:
    """Ask what a class is worth in a head: under both fills where an answer or a table needs them."""
    fills = Fill if head in studied or name in CLASS_BEHAVIOURS else [Fill.MEAN]
    return Question(head, rows, tuple(cut_only(name, fill) for fill in fills), found.mean_of(head))


def by_document(
    text: RealText, questions: Sequence[Question], values: Sequence[Float[ndarray, " _"]]
) -> ByDocument:
    """Return the sum, in each document, of the values at each question's rows."""
    codes, count = text.documents, int(text.documents.max()) + 1
    sums = [np.bincount(codes[one.rows], of, count) for one, of in zip(questions, values, strict=True)]
    return np.array(sums, float).reshape(-1, count).T


def summed_costs(
    model: Model, text: RealText, questions: Sequence[Question], report: Callable[[int], None]
) -> ByFill:
    """Return costs summed in each document, one for each fill; NaN where a question has no such edit."""
    answers = edge_costs(model, text.contexts(), questions, report)
    missing = [np.full((len(answer), len(Fill) - answer.shape[1]), np.nan) for answer in answers]
    padded = [np.hstack(sides) for sides in zip(answers, missing, strict=True)]
    return np.stack(
        [by_document(text, questions, [costs[:, fill] for costs in padded]) for fill in range(len(Fill))]
    )


def open_pairs(edges: pd.DataFrame, pairs: Lines, studied: Sequence[Head]) -> list[int]:
    """Return the places of pairs that get more rows: open behaviours, and all classes of studied heads."""
    asked = edges[edges["edges"].isin(CLASS_BEHAVIOURS)].to_dict("records")
    undecided = {(line["head"], line["edges"]) for line in asked if needs_more(line)}
    return [k for k, (head, name) in enumerate(pairs) if head in studied or (str(head), name) in undecided]


def edges_table(measured: Measured, lines: Lines, n_resamples: int, seed: int) -> pd.DataFrame:
    """Return `edges.csv`."""
    table = pd.DataFrame([row_facts(measured.found, *line) for line in lines])
    table = table.join(share_table(measured, lines, n_resamples, seed))
    table = table.merge(cost_table(measured, n_resamples, seed), "left", on=["head", "edges"])
    table["does"] = [answer_of(line, measured.found.lines) for line in table.to_dict("records")]
    return table[COLUMNS]


def row_facts(found: Survey, head: Head, name: str) -> dict[str, object]:
    """Return what the survey knows of a head and a class."""
    place, line = found.heads.index(head), {"head": str(head), "edges": name}
    if name == ALL:
        return line | {"uniform": 1.0, "mass": 1.0, "entropy": float(found.entropy[place])}
    code = CLASSES.index(name)
    return line | {"uniform": float(found.uniform[code]), "mass": float(found.mass[place, code])}


def share_table(measured: Measured, lines: Lines, n_resamples: int, seed: int) -> pd.DataFrame:
    """Return rows, documents and share of every line, with the share's interval."""
    found, codes = measured.found, measured.text.documents
    count = int(codes.max()) + 1
    sums = np.array([np.bincount(codes[found.rows(*line)], minlength=count) for line in lines], float).T
    table = ratio_table("share", sums, sums[:, :1], n_resamples, seed)
    return table.assign(rows=sums.sum(0).astype(int), documents=(sums > 0).sum(0))


def cost_table(measured: Measured, n_resamples: int, seed: int) -> pd.DataFrame:
    """Return the costs of every pair that was measured."""
    counts = measured.counts
    rows: Int[ndarray, " line"] = counts.sum(0).astype(int)
    pairs = pd.DataFrame([(str(head), name) for head, name in measured.pairs], columns=["head", "edges"])
    pairs = pairs.assign(bos=measured.sums[1].sum(0) / rows, measured=rows)
    return pairs.join(ratio_table("cost", measured.sums[0], counts, n_resamples, seed))


def answer_of(line: Mapping[Hashable, Any], lines: bool) -> str | None:
    """Return whether the head of a line does its behaviour; nothing for what is no behaviour."""
    if line["edges"] not in CLASS_BEHAVIOURS:
        return None
    return "not asked" if line["edges"] in OF_LINES and not lines else does(line)


def explained_table(
    model: Model, measured: Measured, edges: pd.DataFrame, n_resamples: int, seed: int
) -> pd.DataFrame:
    """Return what the behaviours of each head explain, for heads that do any.

    explained = 1 − (cost of cutting all but the edges whose behaviours are all done, and the sink) / (cost
    of the whole row), both on the same rows. Empty unless the whole row's cost is surely above zero.
    """
    done = {head: behaviours_of(answers) for head, answers in answers_by_head(edges).items()}
    places = [place for place, (head, name) in enumerate(measured.pairs) if name == ALL and done[str(head)]]
    questions = [
        replace(one, edits=(keep_only(done[str(one.head)], Fill.MEAN),))
        for one in (measured.questions[place] for place in places)
    ]
    answers = edge_costs(model, measured.text.contexts(), questions)
    rest = by_document(measured.text, questions, [answer[:, 0] for answer in answers])
    sums, counts = measured.sums[0][:, places], measured.counts[:, places]
    shares = explained_shares(sums, rest, counts, n_resamples, seed)
    return shares.set_axis([str(one.head) for one in questions])


def explained_shares(
    whole: ByDocument, rest: ByDocument, counts: ByDocument, n_resamples: int, seed: int
) -> pd.DataFrame:
    """Return 1 − rest / whole and its interval, from sums by document; NaN unless whole is surely above 0."""
    sure = np.flatnonzero(ratio_table("cost", whole, counts, n_resamples, seed)["cost_low"] > 0)
    whole, rest = whole[:, sure], rest[:, sure]
    low, high = np.percentile(1 - resampled_ratios(rest, whole, n_resamples, seed), INTERVAL, axis=0)
    shares = np.stack([1 - rest.sum(0) / whole.sum(0), low, high], 1)
    return pd.DataFrame(shares, sure, EXPLAINED).reindex(range(counts.shape[1]))
