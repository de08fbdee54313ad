"""Fewer heads, each carrying more? Numbers, sentences and tables of models of 2 to 16 heads, and of probes.

They are read from a copy in the checkout (`resources/scarcity`), the same for the reports of all studies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from polyhead.files import read_csv, read_json
from polyhead.report.markdown import listing, table
from polyhead.report.numbers import NOTHING, TO, Number, Numbers, cells, interval_of

PART = "scarcity"
PROBES = "scarcity probes"
TABLE, MERGED, ANSWER = "scarcity.csv", "scarcity_merged.csv", "scarcity.json"
PROBES_TABLE, PROBES_RECORD = "probes.csv", "probes.json"
UNITS = {
    "heads": "setting",
    "layers": "setting",
    "d_model": "setting",
    "seed": "setting",
    "tokens": "count",
    "parameters": "count",
    "held_out_loss": "nats",
    "polysemantic": "setting",
    "named_extended": "percent",
}
PROBED = UNITS | {"rest": "percent"}
COUNTED = {"behaviours": ("low", "high"), "behaviours_perhaps": ("perhaps_low", "perhaps_high")}
MERGINGS = ("united", "added")


def numbers_of(folder: Path, source: str) -> Iterator[Number]:
    """Return the numbers of the comparison; none where the checkout has no copy of it."""
    if not (folder / ANSWER).is_file():
        return
    record, lines = read_json(folder / ANSWER), read_csv(folder / TABLE).to_dict("records")
    answers = {f"answer_{heads}": str(found) for heads, found in record["answer_by_heads"].items()}
    detail = {"answer": str(record["answer"]), **answers}
    about = {"part": PART, "quantity": "models"}
    yield Number(about, len(lines), "setting", f"{source}/{ANSWER}", detail=detail)
    yield from _of_models(PART, lines, UNITS, f"{source}/{TABLE}")
    merged = read_csv(folder / MERGED)
    for row in merged[merged["statistic"] == "behaviours"].to_dict("records"):
        names = {"part": PART} | {name: str(row[name]) for name in ("merging", "counting", "heads")}
        interval = interval_of(row["low"], row["high"])
        yield Number(names, float(row["mean"]), "score", f"{source}/{MERGED}", **interval)


def probes_of(folder: Path, source: str) -> Iterator[Number]:
    """Return the numbers of the probes, and what each changes; none where the checkout has no copy."""
    if not (folder / PROBES_RECORD).is_file():
        return
    record, where = read_json(folder / PROBES_RECORD), f"{source}/{PROBES_RECORD}"
    detail = {name: _change(changed) for name, changed in record["changes"].items()}
    yield Number({"part": PROBES, "quantity": "models"}, len(detail), "setting", where, detail=detail)
    models = [*record["models"].values(), *read_json(folder / ANSWER)["models"].values()]
    corpora = {model["sha256"]["corpus"] for model in models}
    yield Number({"part": PROBES, "quantity": "corpora"}, len(corpora), "setting", where)
    lines = read_csv(folder / PROBES_TABLE).to_dict("records")
    yield from _of_models(PROBES, lines, PROBED, f"{source}/{PROBES_TABLE}")


def _change(changed: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what a probe changes, as the recipe writes it: `optimiser: adamw`; an empty text for nothing."""
    return ", ".join(f"{key}: {value}" for section in changed.values() for key, value in section.items())


def _of_models(
    part: str, lines: list[dict[str, Any]], units: Mapping[str, str], source: str
) -> Iterator[Number]:
    """Return the numbers of every model of a table."""
    for row in lines:
        names = {"part": part, "variant": str(row["variant"])}
        n = int(row["heads"] * row["layers"])
        for name, unit in units.items():
            yield Number(names | {"quantity": name}, row[name], unit, source, n)
        for name, sides in COUNTED.items():
            interval = interval_of(*(row[side] for side in sides))
            yield Number(names | {"quantity": name}, row[name], "score", source, n, **interval)


def reading(numbers: Numbers) -> str:
    """Say whether fewer heads each do more than merging explains: yes, no, or undecided."""
    answers = _answers(numbers)
    parts = [_of_heads(numbers, heads, answers[heads]) for heads in sorted(set(answers) - {""}, key=int)]
    lead = {
        "yes": "In these models fewer heads each do more than merging explains",
        "no": "In these models fewer heads each do no more than merging explains",
        "undecided": "Whether in these models fewer heads each do more than merging explains is undecided",
    }
    return f"{lead[answers['']]}: {'; '.join(parts)}."


def _answers(numbers: Numbers) -> dict[str, str]:
    """Return the answer by number of heads; the one to the whole question by an empty text."""
    detail = numbers.get(f"{PART}/models").detail
    return {name.removeprefix("answer").removeprefix("_"): found for name, found in detail.items()}


def _of_heads(numbers: Numbers, heads: str, found: str) -> str:
    """Say how many behaviours a head of such models does, and what merged heads do, by the answer."""
    variants = [n.about["variant"] for n in numbers.find(part=PART, quantity="heads") if n.text == heads]
    values = listing([numbers.get(f"{PART}/{variant}/behaviours").full for variant in variants])
    united, added = (_merged(numbers, merging)[heads] for merging in MERGINGS)
    most = added.interval.split(TO)[1]
    beside = {
        "yes": f"more than merged heads, which do at most {most}, even if all their costs add up",
        "no": f"no more than merged heads, which do {united.interval}",
        "undecided": f"which is undecided beside merged heads, which do {united.interval}, or up to {most} "
        "if all their costs add up",
    }
    return f"with {heads} heads a layer one does {values} behaviours on average, {beside[found]}"


def _merged(numbers: Numbers, merging: str) -> dict[str, Number]:
    """Return what merged heads surely do, by the number of heads that they are merged into."""
    return numbers.by("heads", part=PART, merging=merging, counting="surely")


def models_table(numbers: Numbers) -> str:
    """Return all models: loss, what their heads do, what merged heads do, and how many rows have a name."""
    merged = [_merged(numbers, merging) for merging in MERGINGS]
    rows = []
    for variant in numbers.values("variant", part=PART):
        known = numbers.by("quantity", part=PART, variant=variant)
        heads, undecided = known["heads"].text, known["behaviours_perhaps"].text
        several = known["polysemantic"]
        row = cells(known, ("heads", "seed", "held_out_loss"), "text")
        row += [f"{several.text} of {several.n}", known["behaviours"].brief, undecided]
        row += [of[heads].interval if heads in of else NOTHING for of in merged]
        rows.append([*row, known["named_extended"].text])
    header = ["heads", "seed", "loss", "polysemantic", "behaviours a head", "undecided too", "merged heads"]
    header += ["costs added", "rows named"]
    caption = (
        "Models of one size and one recipe. *heads*: of a layer; *loss*: on the held-out prompts of this "
        "comparison; *polysemantic*: how many of all heads do two behaviours or more; *undecided too*: "
        "behaviours a head with those that the verdict leaves undecided; *merged heads*: what random groups "
        "of the heads of the models that have most do, as many groups as this model has heads, if a group "
        "does what any of its heads does; *costs added*: if rows and costs of its heads add up; *rows "
        "named*: by the extended definitions. Intervals of behaviours are over documents, those of merged "
        "heads over partitions and seeds."
    )
    return table(header, rows, "rrrrrrrrr", caption, "tbl-scarcity")


def probes_reading(numbers: Numbers) -> str:
    """Say which change to the recipe gives most rows a name, and which most rows that rest."""
    parts = [
        _most(numbers, "named_extended", "more rows get a name"),
        _most(numbers, "rest", "more rows rest"),
    ]
    return f"{'; '.join(parts)}. Each was tried once, with one seed: a hint where to look, not a finding."


def _most(numbers: Numbers, quantity: str, more: str) -> str:
    """Say by which change more rows do something than without a change, and where it is most."""
    changes = numbers.get(f"{PROBES}/models").detail
    found = numbers.by("variant", part=PROBES, quantity=quantity)
    (unchanged,) = (found[name] for name, change in changes.items() if not change)
    tried = {change: found[name] for name, change in changes.items() if change}
    change, best = max(tried.items(), key=lambda one: one[1].value)
    if best.value <= unchanged.value:
        return f"by no change {more} than by the recipe as it is ({unchanged.text})"
    return f"with `{change}` {more} ({best.text}) than by the recipe as it is ({unchanged.text})"


def probes_table(numbers: Numbers) -> str:
    """Return the probes below the recipe as it is: loss, what heads do, rows named and at rest."""
    rows = []
    for variant, change in numbers.get(f"{PROBES}/models").detail.items():
        known = numbers.by("quantity", part=PROBES, variant=variant)
        several = known["polysemantic"]
        row = [f"`{change}`" if change else "nothing", *cells(known, ("tokens", "held_out_loss"), "text")]
        row += [f"{several.text} of {several.n}", known["behaviours"].brief, known["behaviours_perhaps"].text]
        rows.append([*row, *cells(known, ("named_extended", "rest"), "text")])
    header = ["changed", "tokens", "loss", "polysemantic", "behaviours a head", "undecided too"]
    header += ["rows named", "rows at rest"]
    caption = (
        "Models that differ from the first in one choice of the recipe. *rows at rest*: rows that rest "
        "dominates; the other columns as in @tbl-scarcity"
    )
    if numbers.get(f"{PROBES}/corpora").value > 1:
        caption += ", whose models saw another version of the corpus: compare within a table"
    caption += "."
    return table(header, rows, "lrrrrrrr", caption, "tbl-scarcity-probes")
