"""Does a head do a behaviour, and how many does it do? Rules with fixed bounds, applied to `edges.csv`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Literal

import pandas as pd

from polyhead.edges.classes import CLASS_BEHAVIOURS

Answer = Literal["yes", "no", "undecided", "not asked"]
Verdict = Literal["none", "one", "polysemantic", "undecided"]

LEAST_DOMINATED = 0.01
"""Share of its rows that a behaviour dominates in a head that does it, at least."""
LEAST_ROWS, LEAST_DOCUMENTS = 100, 20
"""Of fewer rows, or rows of fewer documents, nothing is said."""
LEAST_COST, LEAST_LOW = 0.05, 0.02
"""Mean cost of cutting the edges of a behaviour that a head does, in nats, and its interval's lower end."""


def does(line: Mapping[Hashable, Any]) -> Answer:
    """Say whether a head does a behaviour that can be seen in the prompts, from its line of `edges.csv`."""
    if line["share"] < LEAST_DOMINATED:
        return "no"
    if line["rows"] < LEAST_ROWS or line["documents"] < LEAST_DOCUMENTS or not line["measured"] > 0:
        return "undecided"
    if line["cost_high"] < LEAST_COST:
        return "no"
    sure = line["cost"] >= LEAST_COST and line["cost_low"] > LEAST_LOW and line["bos"] > 0
    return "yes" if sure else "undecided"


def needs_more(line: Mapping[Hashable, Any]) -> bool:
    """Say whether a behaviour is to be measured on more rows: an interval twice as wide leaves it undecided.

    Which rows these are is settled before any cost is known, and the estimate is then of all rows. To judge
    twice gives chance two occasions for a wrong answer; twice the width, four standard errors, leaves the
    first hardly any.
    """
    sides: dict[Hashable, Any] = {side: 2 * line[side] - line["cost"] for side in ("cost_low", "cost_high")}
    return does({**line, **sides}) == "undecided"


def verdict(answers: Mapping[str, Answer]) -> Verdict:
    """Say how many behaviours a head does; `undecided` where a behaviour that is would change that."""
    done = sum(answer == "yes" for answer in answers.values())
    if done >= 2:
        return "polysemantic"
    if "undecided" in answers.values():
        return "undecided"
    return "one" if done else "none"


def answers_by_head(edges: pd.DataFrame) -> dict[str, dict[str, Answer]]:
    """Return, for every head of `edges.csv`, the answer for every behaviour."""
    asked = edges[edges["edges"].isin(CLASS_BEHAVIOURS)]
    return {
        head: dict(zip(lines["edges"], lines["does"], strict=True))
        for head, lines in asked.groupby("head", sort=False)
    }


def behaviours_of(answers: Mapping[str, Answer]) -> tuple[str, ...]:
    """Return the behaviours that a head does, in the order of the classes."""
    return tuple(name for name in CLASS_BEHAVIOURS if answers[name] == "yes")


def verdict_table(edges: pd.DataFrame, explained: pd.DataFrame) -> pd.DataFrame:
    """Return `verdicts.csv` from `edges.csv` and what is explained, indexed by the heads that do something.

    Columns: head, behaviours (joined by `+`), verdict, sink (share of rows that it dominates), and what its
    behaviours explain of the whole row's cost; empty where it does nothing, or where that cost is not surely
    above zero.
    """
    sink = edges[edges["edges"] == "sink"].set_index("head")["share"]
    lines = [
        (head, "+".join(behaviours_of(answers)), verdict(answers), sink[head])
        for head, answers in answers_by_head(edges).items()
    ]
    return pd.DataFrame(lines, columns=["head", "behaviours", "verdict", "sink"]).join(explained, on="head")
