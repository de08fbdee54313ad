"""Do fewer heads each carry more than merging explains? The statistic, the null and the rule, fixed before.

Statistic: the mean number of behaviours that a head does (beside it, the share of heads that do two or more),
by the verdict's bounds and each head's own intervals (joint ones are wider the more heads a model has, and
models of different numbers of heads are compared). Behaviours that the verdict leaves undecided are counted
both ways: as not done (`surely`) and as done (`perhaps`).

Null, *merged heads*: fewer heads each do more by arithmetic alone. So the heads of each layer of the model
that has most are put together at random, in as many groups of one size as the other model has heads, and each
group counts as one head. What a group does is bounded from both sides:

- `united`: what any of its heads does. Too little where heads pass a bound only together: a cost of 0.03 nats
  is none, two of them on the same rows are one. That favours *yes*.
- `added`: what its heads do if all their rows are different and all their costs add up on all of them. Too
  much: rows overlap, and a cost on one head's rows is none on another's. That favours *no*. (Only heads that
  back each other up could cost more together than that.)

Both give a group the patterns of all its heads at once, which no single head can have: that favours *no*,
too. There are four behaviours; where merged heads do all four, nothing can be more. So *no* says that merging
is enough to explain what is seen, not that nothing else happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from polyhead.ablation.verdict import Answer, does
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS

COUNTINGS: dict[str, tuple[Answer, ...]] = {"surely": ("yes",), "perhaps": ("yes", "undecided")}
"""Which answers count as done."""
STATISTICS = ("behaviours", "polysemantic")
"""Mean number of behaviours a head; share of heads that do at least two."""


@dataclass(slots=True)
class Line:
    """What is known about a head, or a group of heads, and a behaviour (`ablation.verdict.Evidence`)."""

    share: float
    rows: int
    documents: int
    cost: float
    low: float
    high: float
    bos: float


FIELDS = [field.name for field in fields(Line)]
COSTS = FIELDS[3:]
Member = Mapping[str, Line]
Layers = Sequence[Sequence[Member]]
Merging = Callable[[Sequence[Member]], dict[str, Answer]]


def layers_of(profile: pd.DataFrame) -> list[list[dict[str, Line]]]:
    """Return what is known about each head, layer by layer, from `edge_profile.csv`."""
    layers: dict[str, dict[str, dict[str, Line]]] = {}
    for line in profile.itertuples():
        heads = layers.setdefault(line.head.partition(".")[0], {})
        heads.setdefault(line.head, {})[line.edges] = Line(*(getattr(line, name) for name in FIELDS))
    return [list(heads.values()) for heads in layers.values()]


def united(members: Sequence[Member]) -> dict[str, Answer]:
    """Say what a group does if it does what any of its heads does."""
    found = {name: {does(member[name]) for member in members} for name in CLASS_BEHAVIOURS}
    order: tuple[Answer, ...] = ("yes", "undecided", "no")
    return {name: next(answer for answer in order if answer in found[name]) for name in CLASS_BEHAVIOURS}


def added(members: Sequence[Member]) -> dict[str, Answer]:
    """Say what a group does if its heads' rows, documents and costs add up; costs below zero are left out."""
    return {name: does(_sum([member[name] for member in members])) for name in CLASS_BEHAVIOURS}


def _sum(lines: Sequence[Line]) -> Line:
    known = [line for line in lines if not np.isnan(line.low)]
    costs = (sum(max(0.0, getattr(line, name)) for line in known) if known else np.nan for name in COSTS)
    counts = (sum(getattr(line, name) for line in lines) for name in ("rows", "documents"))
    return Line(min(1.0, sum(line.share for line in lines)), *counts, *costs)


MERGINGS: dict[str, Merging] = {"united": united, "added": added}


def merged(
    layers: Layers, groups: int, merging: Merging, partitions: int, seed: int
) -> Float[ndarray, "draw counting statistic"]:
    """Return the statistics of random partitions of each layer's heads into groups of one size."""
    rng, totals = np.random.default_rng(seed), np.zeros((partitions, len(COUNTINGS), len(STATISTICS)))
    for heads in layers:

        @cache
        def of_group(members: tuple[int, ...], heads: Sequence[Member] = heads) -> ndarray:
            return counted(merging([heads[member] for member in members]))

        for draw in range(partitions):
            for group in np.sort(rng.permutation(len(heads)).reshape(groups, -1)).tolist():
                totals[draw] += of_group(tuple(group))
    return totals / (groups * len(layers))


def counted(answers: Mapping[str, Answer]) -> Float[ndarray, "counting statistic"]:
    """Return the number of behaviours done and whether there are two or more, by both countings."""
    done = [sum(answer in counting for answer in answers.values()) for counting in COUNTINGS.values()]
    return np.array([(number, number >= 2) for number in done], float)


def statistics(layers: Layers) -> Float[ndarray, "counting statistic"]:
    """Return the statistics of a model's own heads."""
    return np.mean([counted(united([head])) for heads in layers for head in heads], axis=0)


RULE = (
    "yes: for every model with so many heads a layer, with undecided behaviours counted as not done and with "
    "them counted as done, the lower end of the interval of behaviours a head is above the upper end of the "
    "interval of merged heads whose rows and costs add up. no: likewise, the upper end is at most the upper "
    "end of the interval of merged heads that do what any of them does. Else undecided. Overall: what holds "
    "for every number of heads, else undecided."
)


def answer(observed: Sequence[pd.DataFrame], null: pd.DataFrame) -> Answer:
    """Say by `RULE` whether the heads of models, one per seed, carry more than merging explains.

    Where countings or seeds disagree it is undecided.

    Args:
        observed: for each model low and high of the mean number of behaviours, by counting.
        null: the upper end of the merged heads' interval, a column per merging, by counting.
    """
    by_counting = [one.reindex(null.index) for one in observed]
    if all((one["low"] > null["added"]).all() for one in by_counting):
        return "yes"
    return "no" if all((one["high"] <= null["united"]).all() for one in by_counting) else "undecided"


def overall(answers: Sequence[Answer]) -> Answer:
    """Say it of all numbers of heads: what is said of each, if that is the same; else it is undecided."""
    return answers[0] if len(set(answers)) == 1 else "undecided"
