"""The tables and example figures of the report as markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polyhead.ablation.verdict import HARMED
from polyhead.model.vocabulary import ALL
from polyhead.report.markdown import code, escape, table
from polyhead.report.numbers import (
    ABLATION_QUANTITIES,
    DROP_QUANTITIES,
    NOTHING,
    Numbers,
    cells,
    format_value,
    ranking,
)
from polyhead.report.published import Comparison
from polyhead.report.sentences import FILLS, task_name
from polyhead.report.tasks import BOUND, READ, Grade, grade, losses
from polyhead.style import ordered

METHOD_NAMES = {
    "bos": "all attention on BOS",
    "zero": "no attention (zero)",
    "mean": "mean row of all prompts",
    "resample": "row of another text",
}
SMALLEST_SHARE = 0.001
LONGEST_LIST = 15
HASH_SHOWN = 16
HEADS_PER_TASK = 3
SOURCES_SHOWN = 10
PACKAGES = (
    "torch",
    "transformer-lens",
    "tokenizers",
    "numpy",
    "pandas",
    "pyarrow",
    "matplotlib",
    "snakemake",
)


def distribution_table(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Shares of every label for every shown destination token."""
    about = {"head": head, "table": "distribution", "taxonomy": taxonomy}
    tokens = dict.fromkeys([ALL, *numbers.values("token", **about)])
    behaviours = ordered(numbers.values("label", **about))
    rows = []
    for token in tokens:
        shares = numbers.by("label", **about, token=token)
        count = numbers.get(f"{head}/rows/{taxonomy}/{token}").text
        rows.append(["all" if token == ALL else code(token), count, *cells(shares, behaviours)])
    caption = (
        "Shares of the behaviours by destination token; intervals in brackets, a dash where there is no row."
    )
    header = ["destination", "rows", *(f"*{name}*" for name in behaviours)]
    return table(header, rows, "l" + "r" * (len(header) - 1), caption, "tbl-distribution")


def extended_table(numbers: Numbers, head: str) -> str:
    """The largest labels of the extended taxonomy over all rows; nothing where it was not used."""
    shares = [n for n in ranking(numbers, head, "extended") if n.value >= SMALLEST_SHARE][:LONGEST_LIST]
    rows = [[f"*{n.about['label'].replace('_', ' ')}*", n.brief] for n in shares]
    caption = (
        "The most frequent labels of the extended definitions, over all rows, with intervals in brackets."
    )
    return table(["label", "share of rows"], rows, "lr", caption, "tbl-extended")


def sources_table(numbers: Numbers, head: str) -> str:
    """Tokens that rows unknown to every taxonomy attend to more than their frequency explains."""
    lifts = numbers.find(head=head, table="unknown sources", quantity="lift")
    lifts = sorted((n for n in lifts if n.value > 1), key=lambda number: -number.value)[:SOURCES_SHOWN]
    rows = []
    for number in lifts:
        source = number.about["source"]
        found = numbers.by("quantity", head=head, table="unknown sources", source=source)
        rows.append([code(source), *cells(found, ("share", "expected", "lift"), "text")])
    header = ["source", "most attended in", "expected by frequency", "ratio"]
    caption = (
        "Sources that stand out in rows *unknown* to all definitions: the share of those rows in which the "
        "token gets the most attention, and the share that its frequency would explain."
    )
    return table(header, rows, "lrrr", caption, "tbl-sources")


def heads_table(numbers: Numbers, heads: Sequence[str], taxonomy: str) -> str:
    """Shares over all rows for every head of the study."""
    about = {"table": "distribution", "taxonomy": taxonomy, "token": ALL}
    shares = {head: numbers.by("label", head=head, **about) for head in heads}
    names = ordered(set().union(*shares.values()))
    rows = [[head, *cells(of_head, names)] for head, of_head in shares.items()]
    header = ["head", *(f"*{name}*" for name in names)]
    caption = (
        "Shares of the behaviours over all rows, for every head of this study, with intervals in brackets."
    )
    return table(header, rows, "l" + "r" * (len(header) - 1), caption, "tbl-heads")


def scores_table(numbers: Numbers) -> str:
    """Scores of all heads of the model, from its model card."""
    heads = numbers.values("head", part="score")
    names = numbers.values("quantity", part="score")
    rows = [[head, *cells(numbers.by("quantity", part="score", head=head), names, "text")] for head in heads]
    header = ["head", *(name.replace("_", " ") for name in names)]
    caption = "Scores of all heads of the model, from its model card: mean attention to each type of source."
    return table(header, rows, "l" + "r" * len(names), caption, "tbl-scores")


def tasks_table(numbers: Numbers, head: str, tasks: Sequence[str]) -> str:
    """Every task in one line: the answer in the clean run and with the head ablated, and what that takes."""
    rows = []
    for task in tasks:
        method = numbers.values("method", head=head, table="ablation", task=task)[0]
        elsewhere = numbers.by("quantity", head=head, table="drop", task=task, method=method)
        last = [*cells(elsewhere, ["elsewhere"], "text"), grade(losses(numbers, head, task)).value]
        rows.append([task_name(task), *_clean_and_ablated(numbers, head, task, method), *last])
    header = ["task", "first choice", "ablated", "probability", "ablated", "drop", "elsewhere", "depends"]
    caption = (
        "The answer in the clean run and with the head's row at the destination "
        f"ablated{_by(numbers, head)}: in how many prompts it is the first choice, its mean probability, "
        "the drop of the latter with its interval, each prompt paired with its own clean run; and the "
        "largest drop at any other position. *Depends*: whether the task depends on the head. It does "
        f"({Grade.YES}) where this fill surely takes {BOUND} or more of the probability; it does not "
        f"({Grade.NO}) where each fill that was tried surely changes less, in probability and in first "
        "choices."
    )
    return table(header, rows, "lrrrrrrl", caption, "tbl-tasks")


def _clean_and_ablated(numbers: Numbers, head: str, task: str, method: str) -> list[str]:
    """Return first choices and probability, each in the clean and the ablated run, and the drop."""
    of_task = {"head": head, "task": task, "method": method, "table": "ablation"}
    clean, ablated = (numbers.by("quantity", **of_task, run=run) for run in ("clean", "ablated"))
    return [*(n[q].text for q in ABLATION_QUANTITIES for n in (clean, ablated)), ablated["drop"].brief]


def _by(numbers: Numbers, head: str) -> str:
    """Name the fill of the study's first method."""
    methods = numbers.values("method", head=head, table="ablation")
    return f" by {FILLS[methods[0]]}" if methods else ""


def task_table(numbers: Numbers, head: str, task: str) -> str:
    """A task's clean and ablated runs."""
    rows = []
    for method in numbers.values("method", head=head, table="ablation", task=task):
        for run in numbers.values("run", head=head, table="ablation", task=task, method=method):
            name = "clean" if run == "clean" else f"{run}: {METHOD_NAMES.get(method, method)}"
            of_run = {"head": head, "table": "ablation", "task": task, "method": method, "run": run}
            found = numbers.by("quantity", **of_run)
            quantities = (*ABLATION_QUANTITIES, *(DROP_QUANTITIES if run != "clean" else ()))
            row = [name, *cells(found, quantities), *([""] * len(DROP_QUANTITIES) if run == "clean" else [])]
            if row not in rows:
                rows.append(row)
    caption = (
        "The answer in the clean run and with the head ablated at the destination; intervals in brackets. "
        "The last two columns are what the ablation takes away, each prompt paired with its own clean run."
    )
    header = ["run", "answer is first choice", "mean probability", "fewer first choices", "drop"]
    return table(header, rows, "lrrrr", caption, f"tbl-task-{task}")


def unread_table(numbers: Numbers, head: str, origins: Mapping[str, str]) -> str:
    """Templates that the model does not do well enough to be read, with how well it does them.

    `origins` says of each of them where it is from.
    """
    rows = []
    for task, origin in origins.items():
        method = numbers.values("method", head=head, table="ablation", task=task)[0]
        clean = numbers.by("quantity", head=head, table="ablation", task=task, method=method, run="clean")
        values = [clean["prompts"].text, *_clean_and_ablated(numbers, head, task, method)]
        rows.append([task_name(task), origin or NOTHING, *values])
    header = ["template", "origin", "prompts", "first choice", "ablated", "probability", "ablated", "drop"]
    caption = (
        f"Templates whose answer is the first choice in fewer than {format_value(READ, 'percent')} of the "
        f"clean runs: the answer in the clean run and with the head's row at the destination ablated"
        f"{_by(numbers, head)}, and the drop in its probability, with its interval in brackets (negative: "
        "ablating raises it)."
    )
    return table(header, rows, "llrrrrrr", caption, "tbl-unread")


def controls_table(numbers: Numbers, head: str, tasks: Sequence[str]) -> str:
    """Controls of some tasks."""
    columns = {
        "weight on the expected token": ("attention", "mean"),
        "largest weight there": ("attention", "share"),
        "mass on expected behaviours": ("behaviour", "mean"),
        "drop, whole row": ("head", "drop"),
        "drop, that edge alone": ("edge", "drop"),
    }
    rows = [
        [
            task_name(task),
            *(numbers.get(f"{head}/controls/{task}/{c}/{q}").brief for c, q in columns.values()),
        ]
        for task in tasks
    ]
    caption = "Controls at the destination; intervals in brackets. Drops are of the answer's probability."
    return table(["task", *columns], rows, "l" + "r" * len(columns), caption, "tbl-controls")


def heads_by_tasks_table(numbers: Numbers, head: str, tasks: Sequence[str]) -> str:
    """The heads whose ablation costs most in any of some tasks, and the study's head."""
    drops = {task: numbers.by("of", table="tasks by heads", task=task, quantity="drop") for task in tasks}
    chosen = {head}
    for by_head in drops.values():
        chosen |= set(sorted(by_head, key=lambda name: -by_head[name].value)[:HEADS_PER_TASK])
    rows = [
        [f"**{name}**" if name == head else name, *(drops[task][name].brief for task in tasks)]
        for name in sorted(chosen)
    ]
    caption = (
        "Drop in the answer's probability when one head is ablated at the destination: this study's head "
        "(bold) and those whose ablation costs most in any task; intervals in brackets."
    )
    header = ["head", *(task_name(task) for task in tasks)]
    return table(header, rows, "l" + "r" * len(tasks), caption, "tbl-tasks-by-heads")


def real_text_table(numbers: Numbers, head: str, taxonomy: str) -> str:
    """What the ablation costs on real text, by the behaviour of the row."""
    labels = numbers.values("label", head=head, table="real text", taxonomy=taxonomy)
    rows = []
    for label in labels:
        found = numbers.by("quantity", head=head, table="real text", taxonomy=taxonomy, label=label)
        texts = [found["share"].text, found["mean"].brief, found["of_total"].text, found["harmed"].text]
        rows.append(["all rows" if label == ALL else f"*{label}*", *texts])
    header = ["behaviour of the row", "share of rows", "change per row", "share of the total", "rows harmed"]
    caption = (
        "Change in the next token's log probability when the head is ablated at one position of real text, "
        "by the behaviour of the row; intervals in brackets. *Harmed* are rows whose next token loses "
        f"more than {format_value(-HARMED, 'nats')} of log probability."
    )
    return table(header, rows, "lrrrr", caption, "tbl-real-text")


def published_table(lines: Sequence[Comparison], identifier: str) -> str:
    """The post's numbers beside this study's, with verdicts."""
    rows = [
        [_part(c), c.what, c.published.replace("~", "\\~").replace("<", "\\<"), c.ours, c.verdict]
        for c in lines
    ]
    caption = "What the post reports, beside this study; intervals in brackets."
    return table(["part", "quantity", "post", "this study", "verdict"], rows, "llrrl", caption, identifier)


def _part(line: Comparison) -> str:
    return f"{line.part}; here *{task_name(line.instead)}*" if line.instead else line.part


def files_table(files: Mapping[str, Mapping[str, Any]], numbers: Numbers) -> str:
    """Files that the study read, with their sizes and the beginnings of their SHA-256."""
    rows = [
        [code(short_path(path)), numbers.get(f"file/{path}").text, code(file["sha256"][:HASH_SHOWN])]
        for path, file in files.items()
    ]
    caption = "Files that the study read, and the beginnings of their SHA-256 (in full in `provenance.json`)."
    return table(["file", "size", "SHA-256"], rows, "lrl", caption, "tbl-files")


def short_path(path: str) -> str:
    """Return a path as given, or its last two parts if it is absolute."""
    return "/".join(Path(path).parts[-2:]) if Path(path).is_absolute() else path


def versions_table(provenance: Mapping[str, Any]) -> str:
    """Versions of the code and of the packages that its numbers rest on."""
    code_, python = provenance["code"], provenance["machine"]["python"]
    names = {"polyhead": code_["polyhead"], "its commit": code_["commit"], "Python": python}
    names |= {name: provenance["packages"][name] for name in PACKAGES if name in provenance["packages"]}
    rows = [[escape(name), escape(str(version))] for name, version in names.items()]
    caption = "Versions of the main packages (all of them are in `provenance.json`)."
    return table(["package", "version"], rows, "ll", caption, "tbl-versions")


def times_table(numbers: Numbers) -> str:
    """Wall times of the study's stages."""
    rows = [[n.about["stage"].replace("_", " "), n.text] for n in numbers.find(part="seconds")]
    caption = "Wall time of each stage, the sum of its jobs."
    return table(["stage", "wall time"], rows, "lr", caption, "tbl-times")


def example_caption(example: Mapping[str, Any], k: int, numbers: Numbers, head: str) -> str:
    """Return the caption of an example row: its place, its labels, and its sources with most attention."""
    found = numbers.by("quantity", head=head, table="example", example=str(k))
    labels = example.get("behaviours", {"": example["label"]})
    named = "; ".join(f"{taxonomy} *{label}*".strip() for taxonomy, label in labels.items())
    weights = [
        f"{code(n.detail['token'])} {n.text}" for name, n in found.items() if name.startswith("weight")
    ]
    where = f"position {found['position'].text} of prompt {found['prompt'].text}"
    return (
        f"Destination {code(example['token_label'])} at {where}. "
        f"Label: {named}. Most attention: {', '.join(weights)}."
    )


def example_reading(example: Mapping[str, Any], k: int, numbers: Numbers, head: str) -> str:
    """Say what there is to see in an example row: its label, and where its attention is."""
    top = numbers.get(f"{head}/example/{k}/weight 0")
    lead = {"inactive": "The head rests", "unknown": "No label fits"}
    label = lead.get(example["label"], f"*{example['label'].replace('_', ' ')}*")
    return (
        f"{label}: from {code(example['token_label'])} most attention goes to {code(top.detail['token'])}, "
        f"{top.text} of it."
    )
