"""Does it take one head? Numbers, the paragraph that follows from them, and the table of the appendix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from polyhead.ablation.edge_costs import Fill
from polyhead.mechanism.kinds import EDGES
from polyhead.mechanism.siblings import BEYOND, LEAST_SHARED, MOST_SIBLINGS, SUM, TOGETHER
from polyhead.report.markdown import listing, table
from polyhead.report.mechanism import kind_name
from polyhead.report.numbers import Number, Numbers, format_value, interval_of
from polyhead.report.sentences import certain

NOTHING = "–"
NAMES = {"head": str, "label": str, "ablated": str}


def _read(path: Path) -> pd.DataFrame:
    found = pd.read_csv(path, dtype=NAMES, keep_default_na=False, na_values=[""])
    return found[found["rows"] > 0]


def shared(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """The siblings for every kind of rows; where there are none, the head that comes nearest.

    Both by what was measured, on documents on which none was chosen. Heads that would be siblings, too, but
    are beyond the most that are shown, are counted.
    """
    for _, others in _read(path).groupby(["taxonomy", "label"], sort=False):
        chosen = others[others["chosen"]]
        nearest = others.nlargest(1, "share")
        more = int((others["share_chosen_on"] >= LEAST_SHARED).sum()) - len(chosen)
        if more > 0:
            kind = {name: str(others[name].iloc[0]) for name in ("taxonomy", "label")}
            yield Number(about | {"table": "more siblings"} | kind, more, "index", source)
        for row in (nearest if chosen.empty else chosen).itertuples():
            names = about | {"table": "siblings", "taxonomy": str(row.taxonomy), "label": str(row.label)}
            names |= {"of": str(row.head)}
            detail = {"chosen": str(bool(row.chosen))}
            sides = interval_of(row.low, row.high)
            yield Number(names, float(row.share), "percent", source, int(row.rows), detail=detail, **sides)


def together(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """What ablating each of them costs, all of them, and that beyond the sum."""
    for row in _read(path).itertuples():
        names = about | {"table": "together", "taxonomy": str(row.taxonomy), "label": str(row.label)}
        names |= {"ablated": str(row.ablated), "method": str(row.method)}
        sides = interval_of(row.low, row.high)
        yield Number(names, float(row.cost), "cost", source, int(row.measured), **sides)


OF_HEAD = {"mechanism/siblings.csv": shared, "mechanism/together.csv": together}


def reading(numbers: Numbers, head: str) -> str:
    """Say whether it takes one head, for each class of edges; nothing where that was not measured."""
    labels = numbers.values("label", head=head, table="siblings", taxonomy=EDGES)
    return " ".join(_of_kind(numbers, head, label) for label in labels)


def _of_kind(numbers: Numbers, head: str, label: str) -> str:
    about = {"head": head, "taxonomy": EDGES, "label": label}
    found = numbers.find(**about, table="siblings")
    rows = f"the rows that *{label}* dominates"
    if found[0].detail["chosen"] == "False":
        return _alone(found[0], rows)
    others = listing([f"{n.about['of']} ({n.text})" for n in found])
    heads = f"heads {others}" if len(found) > 1 else f"head {others}"
    costs = numbers.find(**about, table="together", method=Fill.MEAN.value)
    cost = {n.about["ablated"]: n for n in costs}
    return (
        f"On most of {rows} {heads} {'do' if len(found) > 1 else 'does'} the same{_more(numbers, about)}. "
        f"There ablating head {head} costs {cost[head].text}, and all of those named {cost[TOGETHER].text}: "
        f"{_beyond(cost[BEYOND])}."
    )


def _alone(nearest: Number, rows: str) -> str:
    """Say that no head was chosen; the nearest may still be over the bound where it was not chosen."""
    here, there = " where such heads are chosen", "on the other documents "
    here, there = (here, there) if nearest.value >= LEAST_SHARED else ("", "")
    return (
        f"No other head does the same on {_half()} of {rows}{here}; {there}head {nearest.about['of']} comes "
        f"nearest, on {nearest.full} of them."
    )


def _more(numbers: Numbers, about: dict[str, str]) -> str:
    more = numbers.first(**about, table="more siblings")
    return f", and {more} more {'does' if more.value == 1 else 'do'}" if more else ""


def _half() -> str:
    return format_value(LEAST_SHARED, "percent")


def _beyond(number: Number) -> str:
    """Say how what all cost compares with the sum of each."""
    if number.low is None:
        return "rows or documents are too few to say whether that is more than the sum of each"
    if not certain(number):
        return f"no surely more or less than the sum of each (beyond it: {number.inside})"
    if number.value > 0:
        return (
            f"{number.full} beyond the sum of each, as heads would that stand in for each other, though "
            "layers above that do not simply add up what they read may do the same"
        )
    return f"the sum of each, less {_less(number)}: together they take away less than one by one"


def _less(number: Number) -> str:
    return format_value(-number.value, number.unit)


def siblings_table(numbers: Numbers, head: str) -> str:
    """Heads that do the same on the same rows, and what they cost, one by one and together."""
    rows = []
    kinds = dict.fromkeys(
        (n.about["taxonomy"], n.about["label"]) for n in numbers.find(head=head, table="siblings")
    )
    for taxonomy, label in kinds:
        about = {"head": head, "taxonomy": taxonomy, "label": label}
        same = {n.about["of"]: n.brief for n in numbers.find(**about, table="siblings")}
        ablated = numbers.values("ablated", **about, table="together")
        names = [head, *same, *(name for name in (SUM, TOGETHER, BEYOND) if name in ablated)]
        for place, name in enumerate(names):
            costs = {
                n.about["method"]: n.brief for n in numbers.find(**about, table="together", ablated=name)
            }
            kind = "" if place else kind_name(taxonomy, label)
            shown = name if name[0].isdigit() else f"*{name}*"
            cells = [costs.get(method.value, NOTHING) for method in (Fill.MEAN, Fill.BOS)]
            rows.append([kind, shown, same.get(name, NOTHING), *cells])
    caption = (
        "Other heads whose own rows are of the same kind at the same destinations: siblings where they are "
        f"at {_half()} of them or more, {MOST_SIBLINGS} at most, chosen on half of the documents and "
        "measured on the others; without any, the head that comes nearest there. Beside them what ablating "
        "the row of each costs the next token, the *sum* of these, all ablated *together*, and what that is "
        "*beyond* the sum; with the mean output or the value at BOS in the place of the row. Intervals in "
        "brackets, over documents."
    )
    header = ["rows", "head", "the same there", "cost by mean", "by BOS"]
    return table(header, rows, "llrrr", caption, "tbl-siblings")
