"""Does a head do a behaviour, and how many does it do? Rules with fixed bounds, applied to a table.

A head does b when the rows that b dominates are numerous enough and cutting b's edges there costs enough,
surely. It does not when they are too few of its rows, or the cost is surely small. Everything else is
undecided, also where rows or documents are too few for an interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, Protocol, runtime_checkable

import pandas as pd

from polyhead.attention.edge_classes import CLASS_BEHAVIOURS

Answer = Literal["yes", "no", "undecided"]
Verdict = Literal["none", "one behaviour", "polysemantic", "undecided"]


@dataclass(frozen=True)
class Bounds:
    """What it takes. Fixed before a model or a head is chosen by them."""

    share: float = 0.01
    """Least share of the head's rows that the behaviour dominates."""
    rows: float = 100
    """Least number of these rows, and of documents they are from."""
    documents: float = 20
    cost: float = 0.05
    """Least mean cost of cutting the edges there, in nats."""
    low: float = 0.02
    """Least lower end of the cost's interval; a behaviour whose upper end is below is not done."""
    rest: float = 0.05
    """Least share of rows that rest dominates in a head that rests."""
    explained: float = 0.5
    """Least share of the whole row's effect that the head's behaviours explain."""

    def scaled(self, factor: float) -> Bounds:
        """Return all bounds times a factor."""
        return Bounds(**{field.name: getattr(self, field.name) * factor for field in fields(self)})


BOUNDS = Bounds()
HARMED = -0.1
"""A row is harmed whose next token changes by less than this: nats of log probability."""
VARIANTS = {"": BOUNDS, "_halved": BOUNDS.scaled(0.5), "_doubled": BOUNDS.scaled(2.0)}
"""The bounds, and both ways in which a table shows how much hangs on them; by column suffix."""
JOINT = "_joint"
"""Suffix of what follows from intervals that hold for all heads and behaviours together (max |t|)."""


@runtime_checkable
class Evidence(Protocol):
    """What is known about a head and a behaviour: a line of `edge_profile.csv`."""

    share: float
    rows: int
    documents: int
    cost: float
    low: float
    high: float
    bos: float


def does(line: Evidence, bounds: Bounds = BOUNDS) -> Answer:
    """Say whether a head does a behaviour."""
    if line.share < bounds.share:
        return "no"
    if line.rows < bounds.rows or line.documents < bounds.documents or pd.isna(line.low):
        return "undecided"
    if line.high < bounds.low:
        return "no"
    return "yes" if line.cost >= bounds.cost and line.low >= bounds.low and line.bos > 0 else "undecided"


def verdict(answers: Mapping[str, Answer]) -> Verdict:
    """Say how many behaviours a head does; `undecided` where a behaviour that is would change that."""
    done = sum(answer == "yes" for answer in answers.values())
    if done >= 2:
        return "polysemantic"
    if "undecided" in answers.values():
        return "undecided"
    return "one behaviour" if done else "none"


def behaviours_of(answers: Mapping[str, Answer], answer: Answer = "yes") -> tuple[str, ...]:
    """Return the behaviours with an answer, in the order of the classes."""
    return tuple(name for name in CLASS_BEHAVIOURS if answers[name] == answer)


def answers_by_head(profile: pd.DataFrame, bounds: Bounds = BOUNDS) -> dict[str, dict[str, Answer]]:
    """Return, for every head of `edge_profile.csv`, the answer for every behaviour."""
    return {
        head: {line.edges: does(line, bounds) for line in lines.itertuples()}
        for head, lines in profile.groupby("head", sort=False)
    }


def verdict_table(profile: pd.DataFrame, explained: pd.DataFrame) -> pd.DataFrame:
    """Give every head its verdict, with the numbers that decided, and both variants of the bounds.

    Args:
        profile: `edge_profile.csv`.
        explained: `edge_explained.csv`.

    Returns:
        head, verdict, behaviours (joined by `+`), undecided (likewise), with_rest, mostly_unexplained,
        smallest_cost (of its behaviours; empty where it does none), rest (share of rows), whole, explained,
        explained_low, explained_high; for every behaviour b its answer `b` and `b_share`, `b_cost`, `b_low`,
        `b_high`, `b_bos`; verdict, behaviours, undecided and the two flags again with `_halved` and
        `_doubled`; verdict and behaviours with `_joint`, by intervals that hold for all heads and behaviours
        together: what is said of many heads at once goes by these. `explained` is empty where the head does
        nothing, or the whole row's cost is not surely above zero; it is then not said to be mostly
        unexplained.
    """
    of_set = explained.set_index(["head", "behaviours"])
    lines = [
        _line(head, part.set_index("edges"), of_set) for head, part in profile.groupby("head", sort=False)
    ]
    return pd.DataFrame(lines)


def read_explained(path: Path | str) -> pd.DataFrame:
    """Read `edge_explained.csv`."""
    return pd.read_csv(path, dtype={"head": str, "behaviours": str})


def _line(head: str, profile: pd.DataFrame, explained: pd.DataFrame) -> dict[str, object]:
    rest = float(profile["rest"].iloc[0])
    variants: dict[str, object] = {}
    for suffix, bounds in VARIANTS.items():
        answers = {name: does(evidence(profile.loc[name]), bounds) for name in CLASS_BEHAVIOURS}
        done = behaviours_of(answers)
        share = explained_share(explained, head, done)
        found = {
            "verdict": verdict(answers),
            "behaviours": "+".join(done),
            "undecided": "+".join(behaviours_of(answers, "undecided")),
            "with_rest": rest >= bounds.rest,
            "mostly_unexplained": share["explained"] < bounds.explained,
        }
        variants |= {name + suffix: value for name, value in found.items()}
        if not suffix:
            costs = [float(profile.loc[name, "cost"]) for name in done]
            numbers = {"smallest_cost": min(costs, default=float("nan")), "rest": rest, **share} | answers
    answers = {name: does(evidence(together(profile.loc[name]))) for name in CLASS_BEHAVIOURS}
    variants |= {"verdict" + JOINT: verdict(answers), "behaviours" + JOINT: "+".join(behaviours_of(answers))}
    details = {
        f"{name}_{column}": profile.loc[name, column]
        for name in CLASS_BEHAVIOURS
        for column in ("share", "cost", "low", "high", "bos")
    }
    others = (*filter(None, VARIANTS), JOINT)
    first = {name: value for name, value in variants.items() if not name.endswith(others)}
    return {"head": head, **first, **numbers, **details, **variants}


def evidence(line: pd.Series) -> Evidence:
    """Return a line of `edge_profile.csv` with its columns as attributes."""
    return SimpleNamespace(**line.to_dict())


def together(line: pd.Series) -> pd.Series:
    """Return a line of `edge_profile.csv` with the joint interval in place of its own."""
    sides = pd.Series({"low": line["joint_low"], "high": line["joint_high"]})
    return pd.concat([line.drop(["low", "high"]), sides])


def explained_share(explained: pd.DataFrame, head: str, behaviours: tuple[str, ...]) -> dict[str, float]:
    """Return what is known of the share that a head's behaviours explain; NaN where nothing is."""
    columns = ["whole", "explained", "explained_low", "explained_high"]
    if (head, "+".join(behaviours)) not in explained.index:
        return dict.fromkeys(columns, float("nan"))
    return {name: float(explained.loc[(head, "+".join(behaviours)), name]) for name in columns}
