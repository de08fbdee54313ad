"""Contexts found by rule: numbers, the sentence and the table about ablations there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from polyhead.files import read_csv
from polyhead.intervals import LEAST_CLUSTERS
from polyhead.model.vocabulary import ALL
from polyhead.report.markdown import listing, table
from polyhead.report.numbers import NOTHING, Number, Numbers, interval_of
from polyhead.report.sentences import FILLS, MEAN_OUTPUT, certain, changes, in_last_layer
from polyhead.report.verdict import verdict_of

Reader = Callable[[Path, dict[str, str], str], Iterator[Number]]
METHOD, NEXT = "mean", "the next token's probability"
"""What the sentences go by: the head's mean output takes the place of what is cut."""
UPPER = (
    "An upper estimate: only places are taken at which the model's first choice is right, and there an "
    "ablation can lose first choices, but win none."
)
SHOWN = (("bos", ALL), ("mean", ALL), ("bos", ""), ("mean", ""))
"""Ablations at the destination as the table shows them; an empty text stands for the behaviour's edges."""


def contexts(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """For every behaviour: how many contexts there are, and what each ablation at the destination costs."""
    for row in read_csv(path).to_dict("records"):
        names = about | {"table": "contexts", "behaviour": str(row["behaviour"])}
        n = int(row["prompts"])
        if row["run"] == "clean":
            for quantity in ("eligible", "prompts", "documents"):
                yield Number(names | {"quantity": quantity}, int(row[quantity]), "count", source)
            if n:
                clean = names | {"run": "clean", "quantity": "probability"}
                yield Number(clean, float(row["probability"]), "probability", source, n)
            continue
        names |= {"run": "ablated", "method": str(row["method"]), "edges": str(row["edges"])}
        sides = interval_of(row["low"], row["high"])
        yield Number(names | {"quantity": "top1"}, float(row["top1"]), "percent", source, n)
        yield Number(names | {"quantity": "drop"}, float(row["drop"]), "points", source, n, **sides)


def context_positions(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """For every behaviour the largest drop of an ablation before the destination."""
    for behaviour, lines in read_csv(path).groupby("behaviour", sort=False):
        row = lines.loc[lines["drop"].astype(float).idxmax()]
        names = about | {"table": "context positions", "behaviour": str(behaviour), "quantity": "largest"}
        sides = interval_of(row["low"], row["high"])
        n, detail = int(row["prompts"]), {"distance": str(row["distance"])}
        yield Number(names, float(row["drop"]), "points", source, n, detail=detail, **sides)


OF_HEAD: dict[str, Reader] = {"contexts.csv": contexts, "context_positions.csv": context_positions}


def reading(numbers: Numbers, head: str) -> str:
    """Say what the ablation takes away where each behaviour dominates; nothing from too few documents."""
    behaviours = numbers.values("behaviour", head=head, table="contexts")
    enough = _enough(numbers, head)
    if not behaviours:
        return ""
    sentences = [_of_behaviour(numbers, head, name) for name in enough]
    few = [f"*{name}*" for name in behaviours if name not in enough]
    if few:
        sentences.append(
            f"For {listing(few)} there are too few documents with such a place for anything to be said."
        )
    if enough and in_last_layer(numbers, head):
        sentences.append(
            "At the positions before, the ablation changes nothing by construction: no layer above the head "
            "carries what it writes there to the destination."
        )
    return " ".join(sentences)


def _enough(numbers: Numbers, head: str) -> list[str]:
    """Return the behaviours whose contexts are from enough documents for anything to be said."""
    behaviours = numbers.values("behaviour", head=head, table="contexts")
    return [name for name in behaviours if _count(numbers, head, name, "documents") >= LEAST_CLUSTERS]


def in_short(numbers: Numbers, head: str) -> str:
    """Say in one sentence what the ablation costs there; nothing from too few documents."""
    costs = [_in_short(_drop(numbers, head, name, METHOD, ALL), name) for name in _enough(numbers, head)]
    if not costs:
        return ""
    return (
        f"In places of real text found by rule, ablating the head's row, with {FILLS[MEAN_OUTPUT]} instead, "
        f"{listing(costs)}. {UPPER}"
    )


def _in_short(whole: Number, name: str) -> str:
    if not certain(whole):
        return f"makes no measurable difference where *{name}* dominates ({whole.inside})"
    return f"{changes(whole, NEXT)} where *{name}* dominates"


def _of_behaviour(numbers: Numbers, head: str, name: str) -> str:
    whole, edges = (_drop(numbers, head, name, METHOD, which) for which in (ALL, name))
    lead = (
        f"Where *{name}* dominates ({_text(numbers, head, name, 'prompts')} places from "
        f"{_text(numbers, head, name, 'documents')} documents), with {FILLS[MEAN_OUTPUT]} in their place,"
    )
    if not certain(whole):
        return f"{lead} ablating the whole row makes no measurable difference ({whole.inside})."
    row = f"{lead} ablating the whole row {changes(whole, NEXT, 'full')}, cutting the edges of *{name}* alone"
    if not certain(edges):
        return f"{row} makes no measurable difference ({edges.inside})."
    return f"{row} {changes(edges, 'it', 'full')}.{_but_rare(numbers, head, name, edges)}"


def _but_rare(numbers: Numbers, head: str, name: str, edges: Number) -> str:
    """Say that a behaviour which the head is not said to do is of use where it occurs."""
    verdict = verdict_of(numbers, head)
    if verdict is None or edges.value < 0 or name in verdict.detail["behaviours"].split("+"):
        return ""
    return f" So *{name}*, although by the bounds the head does not surely do it, is of use where it occurs."


def contexts_table(numbers: Numbers, head: str) -> str:
    """What each ablation costs in the contexts of each behaviour."""
    rows = [_row(numbers, head, name) for name in numbers.values("behaviour", head=head, table="contexts")]
    header = [
        "dominates",
        "places",
        "documents",
        "clean",
        "row, BOS",
        "row, mean",
        "edges, BOS",
        "edges, mean",
    ]
    caption = (
        "Places where a behaviour dominates and the next token is the model's first choice: its mean "
        "probability, and by how much it drops when at the destination the whole row, or the behaviour's "
        "edges alone, give way to BOS or to the head's mean output; then the largest drop when the head's "
        "row goes to BOS at a position before. Intervals by document in brackets, each place paired with its "
        f"clean run; none for fewer than {LEAST_CLUSTERS} documents."
    )
    return table([*header, "before"], rows, "lrrrrrrrr", caption, "tbl-contexts")


def _row(numbers: Numbers, head: str, name: str) -> list[str]:
    cells = [f"*{name}*", *(_text(numbers, head, name, quantity) for quantity in ("prompts", "documents"))]
    if not _count(numbers, head, name, "prompts"):
        return [*cells, *[NOTHING] * (len(SHOWN) + 2)]
    cells.append(numbers.get(f"{head}/contexts/{name}/clean/probability").text)
    cells += [_drop(numbers, head, name, method, edges or name).brief for method, edges in SHOWN]
    return [*cells, numbers.get(f"{head}/context positions/{name}/largest").brief]


def _drop(numbers: Numbers, head: str, name: str, method: str, edges: str) -> Number:
    return numbers.get(f"{head}/contexts/{name}/ablated/{method}/{edges}/drop")


def _text(numbers: Numbers, head: str, name: str, quantity: str) -> str:
    return numbers.get(f"{head}/contexts/{name}/{quantity}").text


def _count(numbers: Numbers, head: str, name: str, quantity: str) -> float | int:
    return numbers.get(f"{head}/contexts/{name}/{quantity}").value
