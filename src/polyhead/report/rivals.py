"""Is it something simpler? What the report says of line starts and of chance, for every outcome.

A behaviour that the verdict grants is *lost* where it is not granted once the token that opens the line is a
class of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from polyhead.ablation.rivals import LINE_START
from polyhead.report.edge_gather import Reader
from polyhead.report.markdown import listing, table
from polyhead.report.numbers import Number, Numbers, cells, interval_of

COUNTED = {2: "two", 3: "three", 4: "four"}
INDUCTION = "1"
"""The offset from an earlier copy at which induction looks."""


def _rivals(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """Of every head that was judged anew: share and cost of line starts, and of what they leave."""
    for row in pd.read_csv(path, dtype={"head": str}).dropna(subset="share").to_dict("records"):
        names = about | {"table": "rivals", "of": str(row["head"]), "edges": str(row["edges"])}
        rows, detail = int(row["rows"]), {"answer": str(row["answer"])}
        yield Number(
            names | {"quantity": "share"}, float(row["share"]), "percent", source, rows, detail=detail
        )
        if pd.notna(row["cost"]):
            sides = interval_of(row["low"], row["high"])
            yield Number(names | {"quantity": "cost"}, float(row["cost"]), "cost", source, rows, **sides)
            yield Number(names | {"quantity": "bos"}, float(row["bos"]), "cost", source, rows)


def _chance(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """The share of rows that sources at each place beside an earlier copy dominate."""
    for row in pd.read_csv(path, dtype={"head": str}).dropna(subset="share").to_dict("records"):
        names = about | {"table": "chance", "of": str(row["head"]), "offset": str(row["offset"])}
        sides = interval_of(row["low"], row["high"])
        yield Number(names, float(row["share"]), "percent", source, int(row["rows"]), **sides)


OF_STUDY: dict[str, Reader] = {"rivals.csv": _rivals, "chance.csv": _chance}


def granted(numbers: Numbers, head: str) -> list[str]:
    """Return the behaviours that the verdict grants a head which was judged anew."""
    rest = numbers.first(table="verdict", of=head, quantity="rest")
    if rest is None or not _shares(numbers, head):
        return []
    return [name for name in rest.detail["behaviours"].split("+") if name]


def lost(numbers: Numbers, head: str) -> list[str]:
    """Return those of the behaviours that are not granted once line starts are a class of their own."""
    shares = _shares(numbers, head)
    return [name for name in granted(numbers, head) if shares[name].detail["answer"] != "yes"]


def _shares(numbers: Numbers, head: str) -> dict[str, Number]:
    return numbers.by("edges", table="rivals", of=head, quantity="share")


def leads(numbers: Numbers, head: str) -> bool:
    """Say whether line starts dominate more of the head's rows than any behaviour that they leave."""
    shares = _shares(numbers, head)
    return bool(shares) and max(shares.values(), key=lambda share: share.value) is shares[LINE_START]


def reading(numbers: Numbers, head: str) -> str:
    """Say whether the verdict stands against line starts, and for induction, against chance."""
    done = granted(numbers, head)
    if not done:
        return ""
    gone = lost(numbers, head)
    sentences = _taken(numbers, head, gone) if gone else _stands(numbers, head, done)
    return " ".join([sentences, *(_by_chance(numbers, head) if "induction" in done else ())])


def _stands(numbers: Numbers, head: str, done: list[str]) -> str:
    return (
        f"A habit of looking at the token that opens the line does not explain this: with that token as a "
        f"class of its own (it dominates {_shares(numbers, head)[LINE_START].text} of the rows) the head "
        f"still does {listing([f'*{name}*' for name in done])}."
    )


def title(numbers: Numbers, head: str) -> str:
    """Say in a title that the verdict does not stand against line starts."""
    done = len(granted(numbers, head))
    things = f"{COUNTED[done]} things" if done > 1 else "one thing"
    if leads(numbers, head):
        return f"Attention head {head} passes for {things}, and most often looks at the start of its line"
    return f"Attention head {head} passes for {things}, part of which is looking at the start of its line"


def _taken(numbers: Numbers, head: str, gone: list[str]) -> str:
    shares, more = _shares(numbers, head), leads(numbers, head)
    kept = [f"*{name}*" for name in granted(numbers, head) if name not in gone]
    stays = f"What stands is {listing(kept)}." if kept else "None of what the verdict grants stands."
    return (
        "**A simpler account takes part of this away.** With the token that opens the line as a class of its "
        f"own, that token dominates {shares[LINE_START].text} of the head's rows"
        f"{', more than any behaviour' if more else ''}{_worth(numbers, head)}; "
        f"{listing([_left(shares[name], name) for name in gone])}. {stays}"
    )


def _worth(numbers: Numbers, head: str) -> str:
    """Say what cutting line starts costs, and what the bounds of the verdict say of it."""
    cost = numbers.first(table="rivals", of=head, edges=LINE_START, quantity="cost")
    if cost is None:
        return ""
    says = {
        "yes": "enough to count as a behaviour",
        "no": "too little to count as a behaviour",
        "undecided": "which leaves open whether it would count as a behaviour",
    }
    answer = _shares(numbers, head)[LINE_START].detail["answer"]
    return f" (cutting its edges costs {cost.full} there, {says[answer]})"


def _left(share: Number, name: str) -> str:
    """Say what line starts leave of a behaviour."""
    left = f"*{name}* is left with {share.text} of the rows"
    return (
        f"{left}, which is too few or costs too little"
        if share.detail["answer"] == "no"
        else (f"{left}, where what it costs stays undecided")
    )


def _by_chance(numbers: Numbers, head: str) -> Iterator[str]:
    """Say whether induction dominates more rows than other places beside an earlier copy do."""
    found = numbers.by("offset", table="chance", of=head)
    if INDUCTION not in found:
        return
    others = sorted((share for place, share in found.items() if place != INDUCTION), key=lambda n: n.value)
    low, high = others[0], others[-1]
    more = found[INDUCTION].value > high.value and not _overlap(found[INDUCTION], high)
    yield (
        "Chance alone gives *induction* some rows: other places beside an earlier copy dominate "
        f"{low.text} to {high.text} each, the place after it {found[INDUCTION].full}"
        f"{'' if more else ', which is not surely more'}."
    )


def _overlap(one: Number, other: Number) -> bool:
    """Say whether two intervals overlap; those that are not known do."""
    if None in (one.low, one.high, other.low, other.high):
        return True
    return one.low <= other.high and other.low <= one.high


def of_all(numbers: Numbers) -> str:
    """Say how many of the polysemantic heads stay so with line starts as a class of their own."""
    several = numbers.first(table="verdicts", bounds="set", verdict="polysemantic")
    heads = several.detail["heads"].split() if several else []
    judged = [head for head in heads if _shares(numbers, head)]
    if not judged:
        return ""
    stay = [head for head in judged if len(granted(numbers, head)) - len(lost(numbers, head)) >= 2]
    which = f" ({listing(stay)})" if stay and len(stay) < len(judged) else ""
    return (
        f"Of the {len(judged)} that are polysemantic by their own intervals {len(stay) or 'none'} "
        f"{'stays' if len(stay) == 1 else 'stay'} so when line starts are a class of their own{which}."
    )


def rivals_table(numbers: Numbers, head: str) -> str:
    """Return the classes before and after line starts are taken out: share, cost, and whether they count."""
    rows = []
    for name, share in _shares(numbers, head).items():
        before = numbers.by("quantity", table="edge profile", of=head, edges=name)
        after = numbers.by("quantity", table="rivals", of=head, edges=name)
        does = numbers.first(table="verdict", of=head, quantity="rest")
        said = "" if name == LINE_START or does is None else _said(does, name)
        row = [f"*{name}*", *cells(before, ["share"], "text"), *cells(before, ["cost"]), said]
        rows.append([*row, share.text, *cells(after, ["cost"]), share.detail["answer"]])
    header = ["edges", "rows", "cost there", "does it", "rows, line starts apart", "cost there", "does it"]
    caption = (
        "The verdict, and the same with the token that opens the destination's line as a class of its own, "
        "taken out of the others. *rows*: share that the class dominates; *cost there*: what cutting its "
        "edges costs the next token (nats, the head's mean output in their place), a dash where the rows are "
        "too few."
    )
    return table(header, rows, "lrrlrrl", caption, "tbl-rivals")


def _said(verdict: Number, name: str) -> str:
    if name in verdict.detail["behaviours"].split("+"):
        return "yes"
    return "undecided" if name in verdict.detail["undecided"].split("+") else "no"
