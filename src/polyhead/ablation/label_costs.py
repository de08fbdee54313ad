"""What rows of each label are worth: is resting neutral, and which edges matter in *unknown* rows?

An ablation by BOS puts what the head writes at BOS in the place of what it writes. If that is near to what it
writes on average, the ablation takes something out and puts nothing in; if not, part of the cost is that of
what is put in. So lengths and distances of what is written stand beside the costs of three ablations of the
whole row: by the mean output, by the output at BOS, by nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from polyhead.ablation.edge_costs import Answer, Fill, Question, cut_only, edge_costs
from polyhead.ablation.edge_profile import sums_by_cluster
from polyhead.ablation.edge_survey import RealText, counted, thinned
from polyhead.attention.behaviours import Context
from polyhead.attention.edge_classes import CLASSES
from polyhead.attention.labels import UNKNOWN
from polyhead.intervals import ratio_table
from polyhead.model.head import Head
from polyhead.model.protocol import AblationModel
from polyhead.model.vocabulary import ALL

MOST_ROWS = 4000
"""Rows of one label at which a head is ablated, at most; drawn at random."""
AT_BOS = "at BOS"
"""In the place of a label: what the head writes at BOS, where it can attend to nothing else."""
METHODS = ("mean", "bos", "zero")
WHOLE_ROW = (cut_only(ALL, Fill.MEAN), cut_only(ALL, Fill.BOS))
EACH = (ALL, *CLASSES)
EACH_CLASS = tuple(cut_only(name, Fill.MEAN) for name in EACH)
LENGTHS = ("norm", "distance")
RESTING_COLUMNS = ["label", "rows", "documents", "norm", "norm_low", "norm_high"]
RESTING_COLUMNS += ["distance", "distance_low", "distance_high", "method", "cost", "low", "high", "measured"]
UNKNOWN_COLUMNS = ["taxonomy", "edges", "rows", "documents", "mass", "mass_low", "mass_high"]
UNKNOWN_COLUMNS += ["cost", "low", "high", "measured"]

Rows = Bool[ndarray, "prompt pos"]


@dataclass(frozen=True)
class Intervals:
    """How intervals are drawn: over so many documents (numbered from 0), with so many draws, and a seed."""

    documents: int
    n_resamples: int
    seed: int

    def of(
        self,
        values: Float[ndarray, "row column"],
        weights: Float[ndarray, " row"],
        documents: Int[ndarray, " row"],
        rows: int,
    ) -> pd.DataFrame:
        """Return the weighted mean of each column (mean, low, high); `rows` is what they stand for."""
        sums = sums_by_cluster(values * weights[:, None], documents, self.documents)
        ones = sums_by_cluster(weights[:, None], documents, self.documents).repeat(values.shape[1], 1)
        counts = np.full(values.shape[1], rows)
        return ratio_table(sums, ones, counts, self.n_resamples, self.seed)[["mean", "low", "high"]]


@dataclass(frozen=True)
class Written:
    """What a head writes at every position: its length, and how far it is from the head's mean output.

    Both as multiples of the length of the mean output; NaN where the head writes nothing on average. Position
    0 is what the head writes at BOS.
    """

    norm: Float[ndarray, "prompt pos"]
    distance: Float[ndarray, "prompt pos"]


@torch.inference_mode()
def written_lengths(
    model: AblationModel, prompts: Iterable[Context], means: Mapping[Head, Float[ndarray, " d_head"]]
) -> dict[Head, Written]:
    """Measure what heads write (after the output matrix, without bias), in one clean run of every prompt.

    `means` has each head's mean output `z`.
    """
    found: dict[Head, list[Float[ndarray, "length pos"]]] = {head: [] for head in means}
    for context in prompts:
        residual = model.residual_before(0, torch.from_numpy(context.tokens).long()[None])
        for depth, layer in enumerate(model.layers[: 1 + max(head.layer for head in means)]):
            for head in (head for head in means if head.layer == depth):
                pattern, values = layer.read(residual, [head.number])
                z = pattern[0, 0] @ values[0, 0]
                mean = torch.from_numpy(means[head]).to(z)
                written, usual = (layer.write_head(some[None], head.number)[0] for some in (z, mean[None]))
                found[head].append(_lengths(written, usual).cpu().numpy())
            residual = layer(residual)
    return {head: Written(*np.stack(parts, 1)) for head, parts in found.items()}


def _lengths(written: Float[Tensor, "pos d"], usual: Float[Tensor, "1 d"]) -> Float[Tensor, "length pos"]:
    lengths = torch.stack([written.norm(dim=-1), (written - usual).norm(dim=-1)])
    return lengths / torch.where(usual.norm() > 0, usual.norm(), torch.nan)


def rows_by_label(
    labels: pd.DataFrame, taxonomy: str, shape: tuple[int, ...], some: Sequence[str] | None = None
) -> dict[str, Rows]:
    """Return the rows of each label, or of some, by falling number of rows: of the destinations that count.

    `labels` has the columns prompt, position, and the taxonomy's labels; labels without rows are left out.
    """
    label, codes = labels[taxonomy].cat, np.full(shape, -1)
    codes[labels["prompt"], labels["position"]] = label.codes
    counts = np.zeros(shape, bool)
    counts[:, counted(shape[1])] = True
    numbers = np.bincount(codes[counts & (codes >= 0)], minlength=len(label.categories))
    order = [code for code in np.argsort(-numbers, kind="stable") if numbers[code]]
    named = {str(label.categories[code]): code for code in order}
    return {name: counts & (codes == code) for name, code in named.items() if some is None or name in some}


def measured_rows(by_label: Mapping[str, Rows], shape: tuple[int, ...], seed: int) -> Rows:
    """Return the rows at which a head is ablated: of each label at most `MOST_ROWS`."""
    return np.any([np.zeros(shape, bool), *(thinned(rows, MOST_ROWS, seed) for rows in by_label.values())], 0)


def label_costs(
    model: AblationModel,
    text: RealText,
    labels: Mapping[Head, pd.DataFrame],
    means: Mapping[Head, Float[ndarray, " d_head"]],
    taxonomies: Sequence[str],
    intervals: Intervals,
    report: Callable[[int], None] = lambda done: None,
) -> dict[Head, tuple[pd.DataFrame, pd.DataFrame]]:
    """Measure what heads write, and what it is worth, by label.

    Args:
        model: the model.
        text: prompts that it is measured on.
        labels: of every head, the labels of these prompts' rows.
        means: of every head, its mean output `z`.
        taxonomies: the first one's labels are told apart; of each only what is *unknown* is taken apart.
        intervals: how they are drawn; the seed also draws the rows that are measured.
        report: called with the number of prompts done.

    Returns:
        For every head two tables.

        resting.csv: label (`all`, a label, or `at BOS`), rows, documents, norm (of what the head writes) with
        norm_low and norm_high, distance (of that from the mean output) with distance_low and distance_high,
        both as multiples of the mean output's norm; method (mean, bos, zero), cost (nats: of ablating the
        whole row) with low and high, measured (rows with a cost). `at BOS` has neither method nor cost.

        unknown_edges.csv: taxonomy, edges (a class, or `all`: the whole row), rows (that the taxonomy leaves
        *unknown*), documents, mass (mean, on these edges) with mass_low and mass_high, cost (nats, method
        mean) with low and high, measured.
    """
    shape, first = text.prompts.shape, taxonomies[0]
    rows = {
        head: {
            name: rows_by_label(of, name, shape, None if name == first else [UNKNOWN]) for name in taxonomies
        }
        for head, of in labels.items()
    }
    questions = [
        question
        for head, of in rows.items()
        for question in _questions(head, of, first, means[head], shape, intervals.seed)
    ]
    answers = list(zip(questions, edge_costs(model, text.contexts(), questions, report), strict=True))
    written = written_lengths(model, text.contexts(), means)
    tables = {}
    for place, (head, of) in enumerate(rows.items()):
        each = 2 + len(taxonomies)
        whole, zero, *unknown = answers[place * each : (place + 1) * each]
        costs = np.concatenate([whole[1].costs, zero[1].costs], 1)
        parts = [
            _unknown_edges(found, of[name].get(UNKNOWN), text, intervals).assign(taxonomy=name)
            for name, found in zip(taxonomies, unknown, strict=True)
        ]
        resting = _resting(written[head], of[first], whole[0].rows, costs, text, intervals)
        tables[head] = resting, pd.concat(parts, ignore_index=True)[UNKNOWN_COLUMNS]
    return tables


def _questions(
    head: Head,
    rows: Mapping[str, Mapping[str, Rows]],
    first: str,
    mean: Float[ndarray, " d_head"],
    shape: tuple[int, ...],
    seed: int,
) -> list[Question]:
    """Ask for the whole row by every method, then for every class in each taxonomy's unknown rows.

    Nothing in the place of the row is a mean output of zero.
    """
    some = measured_rows(rows[first], shape, seed)
    unknown = [{UNKNOWN: of[UNKNOWN]} if UNKNOWN in of else {} for of in rows.values()]
    return [
        Question(head, some, WHOLE_ROW, mean),
        Question(head, some, WHOLE_ROW[:1], np.zeros_like(mean)),
        *(Question(head, measured_rows(of, shape, seed), EACH_CLASS, mean) for of in unknown),
    ]


def _resting(
    written: Written,
    by_label: Mapping[str, Rows],
    measured: Rows,
    costs: Float[ndarray, "row method"],
    text: RealText,
    intervals: Intervals,
) -> pd.DataFrame:
    if not by_label:
        return pd.DataFrame(columns=RESTING_COLUMNS)
    documents, parts = text.clusters.documents, []
    at_bos = np.zeros_like(measured)
    at_bos[:, 0] = True
    every = {ALL: np.any(list(by_label.values()), 0), **by_label, AT_BOS: at_bos}
    weights = stands_for(by_label, measured)
    for name, rows in every.items():
        values = np.stack([written.norm[rows], written.distance[rows]], 1)
        count = int(rows.sum())
        lengths = intervals.of(values, np.ones(count), documents[rows], count)
        facts = {"label": name, "rows": count, "documents": len(np.unique(documents[rows]))}
        for place, quantity in enumerate(LENGTHS):
            facts |= dict(
                zip((quantity, f"{quantity}_low", f"{quantity}_high"), lengths.loc[place], strict=True)
            )
        if name == AT_BOS:
            parts.append(pd.DataFrame([facts | {"method": "", "measured": 0}]))
            continue
        here = rows[measured]
        found = intervals.of(costs[here], weights[here], documents[measured][here], count)
        parts.append(
            found.rename(columns={"mean": "cost"}).assign(**facts, method=METHODS, measured=int(here.sum()))
        )
    return pd.concat(parts, ignore_index=True)[RESTING_COLUMNS]


def stands_for(by_label: Mapping[str, Rows], measured: Rows) -> Float[ndarray, " row"]:
    """Return for how many rows of its label each measured row stands."""
    weights = np.zeros(int(measured.sum()))
    for rows in by_label.values():
        here = rows[measured]
        weights[here] = rows.sum() / max(1, here.sum())
    return weights


def _unknown_edges(
    found: tuple[Question, Answer], unknown: Rows | None, text: RealText, intervals: Intervals
) -> pd.DataFrame:
    """Return mass and cost of every class at the rows that were asked for; no lines where there are none."""
    question, answer = found
    if unknown is None:
        return pd.DataFrame(columns=UNKNOWN_COLUMNS)
    documents, count = text.clusters.documents, len(answer.costs)
    values = np.concatenate([np.ones((count, 1)), answer.masses, answer.costs], 1)
    table = intervals.of(values, np.ones(count), documents[question.rows], int(unknown.sum()))
    masses, costs = (part.reset_index(drop=True) for part in (table[: len(EACH)], table[len(EACH) :]))
    masses = masses.rename(columns={"mean": "mass", "low": "mass_low", "high": "mass_high"})
    facts = {"rows": int(unknown.sum()), "documents": len(np.unique(documents[unknown])), "measured": count}
    return pd.concat([masses, costs.rename(columns={"mean": "cost"})], axis=1).assign(edges=EACH, **facts)
