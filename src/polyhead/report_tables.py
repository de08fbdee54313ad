"""The report's tables and example figures, as markdown made from numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polyhead.markdown import code, escape, table
from polyhead.numbers import ABLATION_QUANTITIES, Numbers, ranking
from polyhead.prose import task_name
from polyhead.published import Comparison
from polyhead.style import ordered
from polyhead.tokens import ALL

RUN_NAMES = {"clean": "clean", "ablated": "ablated"}
KIND_NAMES = {
    "bos": "all attention on BOS",
    "zero": "no attention (zero)",
    "mean": "mean row of all prompts",
    "resample": "row of another prompt",
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


def token_cell(token: str) -> str:
    """Return a destination token for a table's first column."""
    return "all" if token == ALL else code(token)


def distribution_table(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Shares of every label for every shown destination token."""
    tokens = numbers.values("token", head=head, table="distribution", taxonomy=taxonomy)
    tokens = [ALL, *(token for token in tokens if token != ALL)]
    behaviours = ordered(numbers.values("behaviour", head=head, table="distribution", taxonomy=taxonomy))
    rows = []
    for token in tokens:
        shares = {n.about["behaviour"]: n.brief for n in ranking(numbers, head, taxonomy, token)}
        count = numbers.get(f"{head}/rows/{taxonomy}/{token}").text
        rows.append([token_cell(token), count, *(shares.get(name, "–") for name in behaviours)])
    caption = (
        "Shares of the behaviours by destination token; intervals in brackets, a dash where there is no row."
    )
    header = ["destination", "rows", *(f"*{name}*" for name in behaviours)]
    return table(header, rows, "l" + "r" * (len(header) - 1), caption, "tbl-distribution")


def extended_table(numbers: Numbers, head: str) -> str:
    """The largest labels of the extended taxonomy over all rows; nothing where it was not used."""
    shares = [n for n in ranking(numbers, head, "extended") if n.value >= SMALLEST_SHARE][:LONGEST_LIST]
    rows = [[f"*{n.about['behaviour'].replace('_', ' ')}*", n.brief] for n in shares]
    caption = (
        "The most frequent labels of the extended definitions, over all rows, with intervals in brackets."
    )
    return table(["label", "share of rows"], rows, "lr", caption, "tbl-extended")


def sources_table(numbers: Numbers, head: str) -> str:
    """Tokens that rows unknown to every taxonomy attend to more than their frequency explains."""
    lifts = numbers.find(head=head, table="unknown sources", quantity="lift")
    lifts = sorted((n for n in lifts if n.value > 1), key=lambda number: -number.value)[:SOURCES_SHOWN]
    if not lifts:
        return ""
    rows = []
    for number in lifts:
        of_source = {"head": head, "table": "unknown sources", "source": number.about["source"]}
        found = {n.about["quantity"]: n.text for n in numbers.find(**of_source)}
        rows.append([code(number.about["source"]), found["share"], found["expected"], found["lift"]])
    header = ["source", "most attended in", "expected by frequency", "ratio"]
    caption = (
        "Sources that stand out in rows *unknown* to all definitions: the share of those rows in which the "
        "token gets the most attention, and the share that its frequency would explain."
    )
    return table(header, rows, "lrrr", caption, "tbl-sources")


def heads_table(numbers: Numbers, heads: Sequence[str], taxonomy: str) -> str:
    """Shares over all rows for every head of the study."""
    names: set[str] = set()
    for head in heads:
        names |= {n.about["behaviour"] for n in ranking(numbers, head, taxonomy)}
    rows = []
    for head in heads:
        shares = {n.about["behaviour"]: n.brief for n in ranking(numbers, head, taxonomy)}
        rows.append([head, *(shares.get(name, "–") for name in ordered(names))])
    header = ["head", *(f"*{name}*" for name in ordered(names))]
    caption = (
        "Shares of the behaviours over all rows, for every head of this study, with intervals in brackets."
    )
    return table(header, rows, "l" + "r" * (len(header) - 1), caption, "tbl-heads")


def scores_table(numbers: Numbers) -> str:
    """Scores of all heads of the model, from its model card."""
    heads = numbers.values("head", part="score")
    names = numbers.values("quantity", part="score")
    rows = [[head, *(numbers.get(f"score/{head}/{name}").text for name in names)] for head in heads]
    header = ["head", *(name.replace("_", " ") for name in names)]
    caption = "Scores of all heads of the model, from its model card: mean attention to each kind of source."
    return table(header, rows, "l" + "r" * len(names), caption, "tbl-scores")


def task_table(numbers: Numbers, head: str, task: str) -> str:
    """A task's clean and ablated runs."""
    rows = []
    for kind in numbers.values("kind", head=head, table="ablation", task=task):
        for run in numbers.values("run", head=head, table="ablation", task=task, kind=kind):
            name = "clean" if run == "clean" else f"{run}: {KIND_NAMES.get(kind, kind)}"
            cells = [
                numbers.get(f"{head}/ablation/{task}/{kind}/{run}/{quantity}").brief
                for quantity in ABLATION_QUANTITIES
            ]
            if [name, *cells] not in rows:
                rows.append([name, *cells])
    caption = (
        "The answer in the clean run and with the head ablated at the destination; intervals in brackets."
    )
    header = ["run", "answer is first choice", "mean probability"]
    return table(header, rows, "lrr", caption, f"tbl-task-{task}")


def controls_table(numbers: Numbers, head: str) -> str:
    """Controls of every task."""
    columns = {
        "weight on the expected token": ("attention", "mean"),
        "largest weight there": ("attention", "share"),
        "mass on expected behaviours": ("behaviour", "mean"),
        "drop, whole row": ("head", "drop"),
        "drop, that edge alone": ("edge", "drop"),
    }
    tasks = numbers.values("task", head=head, table="controls")
    rows = [
        [
            task_name(task),
            *(numbers.get(f"{head}/controls/{task}/{c}/{q}").brief for c, q in columns.values()),
        ]
        for task in tasks
    ]
    caption = "Controls at the destination; intervals in brackets. Drops are of the answer's probability."
    return table(["task", *columns], rows, "l" + "r" * len(columns), caption, "tbl-controls")


def heads_by_tasks_table(numbers: Numbers, head: str) -> str:
    """The heads whose ablation costs most in any task, and the study's head."""
    tasks = numbers.values("task", table="tasks by heads")
    drops = {
        task: {n.about["of"]: n for n in numbers.find(table="tasks by heads", task=task, quantity="drop")}
        for task in tasks
    }
    chosen = {head}
    for by_head in drops.values():
        chosen |= set(sorted(by_head, key=lambda name: -by_head[name].value)[:HEADS_PER_TASK])
    rows = [
        [f"**{name}**" if name == head else name, *(drops[task][name].brief for task in tasks)]
        for name in sorted(chosen)
    ]
    caption = (
        "Drop in the answer's probability when one head is ablated at the destination: this study's head "
        "(bold) and those that matter most in any task; intervals in brackets."
    )
    header = ["head", *(task_name(task) for task in tasks)]
    return table(header, rows, "l" + "r" * len(tasks), caption, "tbl-tasks-by-heads")


def real_text_table(numbers: Numbers, head: str, taxonomy: str) -> str:
    """What the ablation costs on real text, by the behaviour of the row."""
    labels = numbers.values("label", head=head, table="real text", taxonomy=taxonomy)
    rows = []
    for label in labels:
        found = {
            n.about["quantity"]: n
            for n in numbers.find(head=head, table="real text", taxonomy=taxonomy, label=label)
        }
        cells = [found["share"].text, found["mean"].brief, found["of_total"].text, found["harmed"].text]
        rows.append(["all rows" if label == ALL else f"*{label}*", *cells])
    header = ["behaviour of the row", "share of rows", "change per row", "share of the total", "rows harmed"]
    caption = (
        "Change in the next token's log probability when the head is ablated at one position of real text, "
        "by the behaviour of the row; intervals in brackets. *Harmed* are rows whose next token gets clearly "
        "less likely."
    )
    return table(header, rows, "lrrrr", caption, "tbl-real-text")


def published_table(lines: Sequence[Comparison]) -> str:
    """The post's numbers beside this study's, with verdicts."""
    rows = [
        [_part(c), c.what, c.published.replace("~", "\\~").replace("<", "\\<"), c.ours, c.verdict]
        for c in lines
    ]
    caption = "What the post reports, beside this study; intervals in brackets."
    return table(
        ["part", "quantity", "post", "this study", "verdict"], rows, "llrrl", caption, "tbl-published"
    )


def _part(line: Comparison) -> str:
    return f"{line.part}; here *{task_name(line.instead)}*" if line.instead else line.part


def files_table(files: Mapping[str, Mapping[str, Any]], numbers: Numbers) -> str:
    """Files that the study read, with sizes and the beginnings of their hashes."""
    rows = [
        [code(short_path(path)), numbers.get(f"file/{path}").text, code(file["sha256"][:HASH_SHOWN])]
        for path, file in files.items()
    ]
    caption = "Files that the study read, and the beginnings of their SHA-256 (in full in `provenance.json`)."
    return table(["file", "size", "SHA-256"], rows, "lrl", caption, "tbl-files")


def short_path(path: str) -> str:
    """Return a path as given, or its last two parts where it is absolute."""
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


def example_figures(examples: Sequence[Mapping[str, Any]], numbers: Numbers, head: str, folder: str) -> str:
    """Example rows under one heading for each destination token."""
    parts, seen = [], ""
    for k, example in enumerate(examples):
        if example["token_label"] != seen:
            seen = example["token_label"]
            parts.append(f"### Token {code(seen)} {{.unnumbered #token-{k}}}\n")
        alt = escape(f"A prompt's text with its tokens shaded by attention. {example['text']}")
        picture = f"{folder}/{Path(example['svg']).name}"
        caption = example_caption(example, k, numbers, head)
        parts.append(f'![{caption}]({picture}){{#fig-example-{k} .inline-svg fig-alt="{alt}"}}\n')
    return "\n".join(parts)


def example_caption(example: Mapping[str, Any], k: int, numbers: Numbers, head: str) -> str:
    """Say of an example row which it is, how it is labelled and where most of its attention goes."""
    found = {n.about["quantity"]: n for n in numbers.find(head=head, table="example", example=str(k))}
    labels = example.get("behaviours", {"": example["behaviour"]})
    named = "; ".join(f"{taxonomy} *{label}*".strip() for taxonomy, label in labels.items())
    weights = [
        f"{code(n.detail['token'])} {n.text}" for name, n in found.items() if name.startswith("weight")
    ]
    where = f"position {found['position'].text} of prompt {found['prompt'].text}"
    return (
        f"Destination {code(example['token_label'])} at {where}. "
        f"Label: {named}. Most attention: {', '.join(weights)}."
    )
