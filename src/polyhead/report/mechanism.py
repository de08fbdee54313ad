"""How the head does it: numbers, the paragraph that follows from them, and the tables of the appendix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from polyhead.files import read_json
from polyhead.mechanism.figures import LEAST_CHANGE
from polyhead.mechanism.kinds import EDGES, UNNAMED, speaks
from polyhead.mechanism.tables import SPARES, TAKES
from polyhead.model.components import BIAS, EMBED, POS
from polyhead.model.vocabulary import ALL
from polyhead.report.markdown import escape, listing, table
from polyhead.report.numbers import Number, Numbers, format_value, interval_of
from polyhead.report.sentences import certain

Reader = Callable[[Path, dict[str, str], str], Iterator[Number]]
MOST_PAIRS, MOST_INPUTS = 6, 8
WELL, PARTLY = 0.7, 0.4
"""From these rank correlations on, contributions predict interventions well, or partly."""
FEWEST_INPUTS = 5
"""Of fewer inputs a rank correlation tells nothing."""
NOTHING = "–"
BY = ("first_by_first", "second_by_first", "first_by_second", "second_by_second")


def _read(path: Path) -> pd.DataFrame:
    found = pd.read_csv(path, dtype={"label": str, "component": str}, keep_default_na=False, na_values=[""])
    return found[~found["label"].isin(UNNAMED)] if "label" in found else found


def _kind(about: dict[str, str], name: str, row: object) -> dict[str, str]:
    taxonomy, label = (str(getattr(row, part)) for part in ("taxonomy", "label"))
    return about | {"table": name, "taxonomy": taxonomy, "label": label}


def needs(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """For every kind of rows: those lost without an input, where they are many, and the worth of values."""
    lines = _read(path)
    for _, of_kind in lines.groupby(["taxonomy", "label"], sort=False):
        inputs, values = (of_kind[(of_kind["side"] == "value") == value] for value in (False, True))
        lost = inputs["lost"]
        sure = (inputs["joint_low"] > 0) | (inputs["joint_high"] < 0)
        shown = (sure & (lost.abs() >= LEAST_CHANGE)) | (lost == lost.max())
        for row in inputs[shown].itertuples():
            taken = lost[row.Index] >= TAKES and row.joint_high < 0
            detail = {"taken": str(bool(taken)), "sure": str(bool(sure[row.Index]))}
            sides = interval_of(row.lost_low, row.lost_high)
            names = _kind(about, "needs", row) | {"component": row.component, "side": row.side}
            n = int(row.rows)
            yield Number(names, float(lost[row.Index]), "percent", source, n, detail=detail, **sides)
        yield from _values(values, about, source)


def _values(values: pd.DataFrame, about: dict[str, str], source: str) -> Iterator[Number]:
    """What the head is worth on rows of a kind, and how that changes without each component's value."""
    for row in values[:1].itertuples():
        clean = _kind(about, "worth", row)
        yield Number(clean, float(row.effect_clean), "cost", source, int(row.rows))
    for row in values[(values["joint_low"] > 0) | (values["joint_high"] < 0)].itertuples():
        names = _kind(about, "values", row) | {"component": row.component}
        sides = interval_of(row.low, row.high)
        yield Number(names, float(row.difference), "cost", source, int(row.rows), **sides)


def scores(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """The pairs of components that contribute most, and the sum of all pairs, for every kind of rows."""
    for _, of_kind in _read(path).groupby(["taxonomy", "label"], sort=False):
        whole = of_kind[(of_kind["query"] == ALL) & (of_kind["key"] == ALL)]
        pairs = of_kind[(of_kind["query"] != ALL) & (of_kind["key"] != ALL)]
        largest = pairs.loc[pairs["contribution"].abs().nlargest(MOST_PAIRS).index]
        for row in pd.concat([whole, largest]).itertuples():
            names = _kind(about, "pairs", row) | {"query": str(row.query), "key": str(row.key)}
            sides = interval_of(row.low, row.high)
            yield Number(names, float(row.contribution), "score", source, int(row.rows), **sides)


def written(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """What the head adds to logits of the token attended to, and of the next, beyond those in view."""
    for row in _read(path).itertuples():
        names = _kind(about, "written", row) | {"quantity": str(row.quantity)}
        sides = interval_of(row.low, row.high)
        yield Number(names, float(row.difference), "score", source, int(row.rows), **sides)


def agreement(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """How well contributions predict what is lost."""
    for row in _read(path).dropna(subset="correlation").itertuples():
        names = _kind(about, "agreement", row)
        yield Number(names, float(row.correlation), "score", source, int(row.inputs))


def dissociations(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """Inputs that tell two kinds of rows apart."""
    for place, row in enumerate(_read(path).to_dict("records")):
        detail = {
            name: str(row[name]) for name in ("taxonomy", "first", "first_input", "second", "second_input")
        }
        for name in BY:
            names = about | {"table": "dissociation", "place": str(place), "quantity": name}
            yield Number(names, float(row[name]), "percent", source, detail=detail)


OF_HEAD: dict[str, Reader] = {
    "mechanism/needs.csv": needs,
    "mechanism/scores.csv": scores,
    "mechanism/written.csv": written,
    "mechanism/agreement.csv": agreement,
    "mechanism/dissociations.csv": dissociations,
}


def reading(numbers: Numbers, head: str) -> str:
    """Say how the head does what it does; nothing where that was not measured, or rows are too few."""
    if not _kinds(numbers, head, "needs"):
        return ""
    kinds = _enough(numbers, head)
    if not kinds:
        return "There are too few rows, or too few documents that they are from, for anything to be said."
    parts = [_need(numbers, head, kind) for kind in _told(kinds)]
    return " ".join(
        filter(None, [*parts, apart(numbers, head), predicts(numbers, head), copies(numbers, head)])
    )


def left_out(folder: Path) -> str:
    """Return why nothing is said of the scores of a head whose results are in `folder`; empty where it is."""
    path = folder / "mechanism/left_out.json"
    reason = str(read_json(path)["reason"]) if path.is_file() else ""
    return (
        escape(f"{reason[:1].upper()}{reason[1:]}. So what they are made of is left out.") if reason else ""
    )


def _kinds(numbers: Numbers, head: str, name: str) -> list[tuple[str, str]]:
    found = (n.about for n in numbers.find(head=head, table=name))
    return list(dict.fromkeys((about["taxonomy"], about["label"]) for about in found))


def _enough(numbers: Numbers, head: str) -> list[tuple[str, str]]:
    """Return the kinds with rows enough for intervals."""
    known = (n.about for n in numbers.find(head=head, table="needs") if n.low is not None)
    return list(dict.fromkeys((about["taxonomy"], about["label"]) for about in known))


def _told(kinds: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the kinds that sentences are about: those by class of edges, where there are such."""
    return [kind for kind in kinds if kind[0] == EDGES] or kinds


def rows_of(taxonomy: str, label: str) -> str:
    """Return the words for a kind of rows."""
    return f"the rows that *{label}* dominates" if taxonomy == EDGES else f"the rows labelled *{label}*"


def input_of(component: str, side: str) -> str:
    """Return the words for an input of the head."""
    return f"{component_of(component)} in the {side}"


def component_of(component: str) -> str:
    """Return the words for what the head reads a part of."""
    if component in (EMBED, POS):
        return {EMBED: "the token embedding", POS: "the position embedding"}[component]
    if component == BIAS:
        return "what is the same in every prompt"
    if component[0].isdigit():
        return f"head {component}"
    kind = component.rstrip("0123456789")
    words = {"attn": "the attention", "mlp": "the feed-forward part"}
    return f"{words.get(kind, kind)} of layer {component.removeprefix(kind)}"


def _need(numbers: Numbers, head: str, kind: tuple[str, str]) -> str:
    """Say which input takes most of a kind of rows away."""
    most = _most(numbers, head, kind)
    which = f"the part of the {most.about['side']} that comes from {component_of(most.about['component'])}"
    if most.low is None:
        return ""
    if most.detail["taken"] == "True":
        return f"Of {rows_of(*kind)}, {most.full} are lost when {which} is replaced by its mean."
    if most.detail["sure"] == "True" and most.value > 0:
        return (
            f"No single input takes half of {rows_of(*kind)} away; the most, {most.full}, are lost when "
            f"{which} is replaced by its mean."
        )
    return f"No single input surely takes any of {rows_of(*kind)} away."


def apart(numbers: Numbers, head: str) -> str:
    """Say whether two inputs tell two kinds of rows apart."""
    found = numbers.by("quantity", head=head, table="dissociation", place="0")
    if not found and len(_enough(numbers, head)) < 2:
        return ""
    if not found:
        return (
            "No two inputs tell two of the head's behaviours apart: nowhere does one take at least "
            f"{format_value(TAKES, 'percent')} of the rows of one and at most "
            f"{format_value(SPARES, 'percent')} of another's, with a second input doing the reverse."
        )
    names = found[BY[0]].detail
    lost = {name: n.text if n.value > 0 else "none" for name, n in found.items()}
    first, second = (rows_of(names["taxonomy"], names[name]) for name in ("first", "second"))
    inputs = [input_of(*names[f"{name}_input"].rsplit(" ", 1)) for name in ("first", "second")]
    return (
        f"Two kinds of its rows come apart: without {inputs[0]}, {lost[BY[0]]} of {first} are lost and "
        f"{lost[BY[1]]} of {second}; without {inputs[1]}, {lost[BY[3]]} of {second} and {lost[BY[2]]} of "
        f"{first}."
    )


def predicts(numbers: Numbers, head: str) -> str:
    """Say how well what scores are made of predicts what is lost."""
    enough = _enough(numbers, head)
    found = [
        n
        for n in numbers.find(head=head, table="agreement")
        if (n.about["taxonomy"], n.about["label"]) in enough
    ]
    kinds = [n for n in found if n.about["taxonomy"] == EDGES] or found
    words: dict[str, list[str]] = {"well": [], "partly": [], "hardly": []}
    for number in kinds:
        how = "well" if number.value >= WELL else "partly" if number.value >= PARTLY else "hardly"
        words[how].append(f"*{number.about['label']}* ({number.text})")
    parts = [f"{how} for {listing(names)}" for how, names in words.items() if names]
    if not parts:
        return ""
    return (
        "What the scores are made of predicts which inputs are needed "
        f"{listing(parts)}, by rank correlation over the inputs{_by_chance(kinds)}."
    )


def _by_chance(correlations: Sequence[Number]) -> str:
    """Say below which size a rank correlation could be chance: 1.96 standard errors of none at all."""
    inputs = min(number.n or 0 for number in correlations)
    if inputs < FEWEST_INPUTS:
        return f", of which {inputs} are too few to tell"
    return f"; below {format_value(1.96 / (inputs - 1) ** 0.5, 'score')} in size it could be chance"


def copies(numbers: Numbers, head: str) -> str:
    """Say in which rows the head copies: raises the token it attends to, and so the true next one.

    And of which behaviour's rows the reverse is sure for the token attended to.
    """
    added = {
        kind: numbers.by("quantity", head=head, table="written", taxonomy=kind[0], label=kind[1])
        for kind in _kinds(numbers, head, "written")
        if kind[0] == EDGES
    }
    return f"{_copied(added)} {_lowered(added)}".strip()


def _copied(added: Mapping[tuple[str, str], Mapping[str, Number]]) -> str:
    surely = {
        kind: of for kind, of in added.items() if of and all(certain(n) and n.value > 0 for n in of.values())
    }
    if surely:
        parts = [
            f"{of['attended'].text} and {of['next'].text} in {rows_of(*kind)}" for kind, of in surely.items()
        ]
        return (
            "It copies: to the logit of the token that it attends to most, and to that of the true next "
            "token, it "
            f"adds more than to those in view on average, by {listing(parts)}."
        )
    known = [kind for kind, of in added.items() if of and all(n.low is not None for n in of.values())]
    return "In no kind of its rows does it surely copy what it attends to." if known else ""


def _lowered(added: Mapping[tuple[str, str], Mapping[str, Number]]) -> str:
    """Say in which rows of a behaviour the head surely lowers the token that it attends to."""
    parts = []
    for kind, of in added.items():
        attended = of.get("attended")
        if attended and speaks(kind[1]) and certain(attended) and attended.value < 0:
            raised = certain(of["next"]) and of["next"].value > 0
            still = f", though it adds {of['next'].text} to the true next one's" if raised else ""
            parts.append(f"in {rows_of(*kind)} ({attended.inside}){still}")
    return (
        f"It does the reverse to the logit of the token that it attends to most {listing(parts)}."
        if parts
        else ""
    )


def in_short(numbers: Numbers, head: str) -> str:
    """Return one sentence for the summary: behaviours that come apart, else what each kind of rows needs.

    The kinds are those of `reading`, so that the summary speaks of no other rows than the text does.
    """
    if numbers.find(head=head, table="dissociation"):
        return apart(numbers, head)
    most = [_most(numbers, head, kind) for kind in _told(_enough(numbers, head))]
    ranked = sorted(most, key=lambda n: (n.detail["taken"] != "True", -n.value))
    text = "; ".join(_need_in_short(number) for number in ranked)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _most(numbers: Numbers, head: str, kind: tuple[str, str]) -> Number:
    """Return the share of a kind of rows that the input takes which takes most."""
    lost = numbers.find(head=head, table="needs", taxonomy=kind[0], label=kind[1])
    return max(lost, key=lambda n: n.value)


def _need_in_short(most: Number) -> str:
    rows = rows_of(most.about["taxonomy"], most.about["label"])
    if most.detail["taken"] == "True":
        which = component_of(most.about["component"])
        return f"of {rows}, {most.text} are lost when {which} is taken out of the {most.about['side']}"
    if most.detail["sure"] == "True" and most.value > 0:
        return f"no single input takes more than {most.text} of {rows}"
    return f"no single input surely takes any of {rows}"


def kind_name(taxonomy: str, label: str) -> str:
    """Name a kind of rows in a table."""
    return f"*{label}* dominates" if taxonomy == EDGES else f"*{label}*"


def needs_table(numbers: Numbers, head: str) -> str:
    """Rows of each kind that are lost without an input."""
    rows = []
    for kind in _kinds(numbers, head, "needs"):
        lost = numbers.find(head=head, table="needs", taxonomy=kind[0], label=kind[1])
        for place, number in enumerate(sorted(lost, key=lambda n: -abs(n.value))[:MOST_INPUTS]):
            name = kind_name(*kind) if not place else ""
            rows.append([name, f"{number.about['component']} {number.about['side']}", number.brief])
    caption = (
        "Rows of each kind that are lost when one input of the head is replaced by its mean (negative: "
        f"gained). Inputs that surely change at least {format_value(LEAST_CHANGE, 'percent')}, and the one "
        f"that takes most; {MOST_INPUTS} of a kind at most. Intervals in brackets, over documents."
    )
    return table(["rows", "input", "lost"], rows, "llr", caption, "tbl-mechanism-needs")


def pairs_table(numbers: Numbers, head: str) -> str:
    """The pairs of components that contribute most."""
    rows = []
    for kind in _kinds(numbers, head, "pairs"):
        for place, n in enumerate(numbers.find(head=head, table="pairs", taxonomy=kind[0], label=kind[1])):
            whole = n.about["query"] == ALL
            names = ["*sum*", ""] if whole else [n.about["query"], n.about["key"]]
            rows.append([kind_name(*kind) if not place else "", *names, n.brief])
    caption = (
        "What scores are made of: the sum over all pairs of components, and those pairs that contribute "
        "most, as the mean over the sources that a row is named for minus that over the others it can see. "
        "Intervals in brackets, over documents."
    )
    return table(["rows", "query", "key", "contribution"], rows, "lllr", caption, "tbl-mechanism-pairs")


def written_table(numbers: Numbers, head: str) -> str:
    """What the head hands on, by kind of rows."""
    rows = []
    for kind in _kinds(numbers, head, "written"):
        about = {"head": head, "taxonomy": kind[0], "label": kind[1]}
        added = {n.about["quantity"]: n.brief for n in numbers.find(**about, table="written")}
        worth = [n.text for n in numbers.find(**about, table="worth")]
        changes = [f"{n.about['component']}: {n.brief}" for n in _largest(numbers, about)]
        cells = [added.get(name, NOTHING) for name in ("attended", "next")]
        cells += [*worth, *[NOTHING] * (1 - len(worth)), "; ".join(changes) or NOTHING]
        rows.append([kind_name(*kind), *cells])
    caption = (
        "What the head hands on, by kind of rows. *attended*, *next*: what it adds to the logit of the "
        "token that it attends to most, and of the true next token, beyond the tokens in view on average. "
        "*worth*: what the next token loses when the head's mean output takes the place of the row; then "
        "how that changes when a component is replaced by its mean in the value alone, for those where it "
        "surely does. Intervals over documents."
    )
    header = ["rows", "attended", "next", "worth", "changed by value"]
    return table(header, rows, "lrrrl", caption, "tbl-mechanism-written")


def _largest(numbers: Numbers, about: dict[str, str], most: int = 3) -> list[Number]:
    found = numbers.find(**about, table="values")
    return sorted(found, key=lambda n: -abs(n.value))[:most]
