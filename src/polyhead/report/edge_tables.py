"""Tables of edges: what cutting each class of them costs, on real text and at the tasks' destinations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyhead.ablation.edge_tables import MOST_ROWS
from polyhead.ablation.task_edges import LEAST_DROP
from polyhead.attention.edge_classes import CLASSES
from polyhead.model.vocabulary import ALL
from polyhead.report.markdown import table
from polyhead.report.numbers import Numbers, cells, format_value
from polyhead.report.sentences import task_name
from polyhead.report.verdict import LEFT_OUT

LEAST_SHOWN = 0.02
"""Of a task's edges those are shown that hold this much of the attention, or whose cut costs this much."""


def edge_table(numbers: Numbers, head: str) -> str:
    """What cutting each class of the head's edges costs on real text."""
    rows = [_edge_row(numbers, head, name) for name in (*CLASSES, ALL)]
    header = ["edges", "rows dominated", "attention", "cost there", "filled with BOS", "rescaled", "explains"]
    caption = (
        "What cutting one class of edges costs the next token, in nats a row, on the rows that the class "
        "dominates (at least half of the attention), with the head's mean output in their place; then with "
        "what it writes at BOS, and with the other weights scaled up. *Attention*: the mean mass over all "
        "rows. *Explains*: the share of the whole rows' effect that remains with these edges and rest alone. "
        "Intervals in brackets, over documents; a dash where there are too few rows, or nothing to explain. "
        f"Rows {LEFT_OUT}."
    )
    return table(header, rows, "lrrrrrr", caption, "tbl-edges")


def _edge_row(numbers: Numbers, head: str, name: str) -> list[str]:
    about = {"head": head, "table": "edge costs", "edges": name}
    costs = numbers.by("method", **about, rows=name, quantity="cost")
    there, everywhere = (numbers.by("quantity", **about, rows=rows, method="mean") for rows in (name, ALL))
    return [
        row_name(name),
        *cells(there, ["share"], "text"),
        *cells(everywhere, ["mass"], "text"),
        *cells(costs, ["mean"]),
        *cells(costs, ["bos", "rescaled"], "text"),
        *cells(everywhere, ["kept"], "text"),
    ]


def two_estimates(numbers: Numbers, ablation: Mapping[str, Any]) -> str:
    """Say where the verdict rests on other prompts, or other rows of them, than the table of edges."""
    prompts = ablation["profile_prompts"], ablation["real_text_prompts"]
    rows = ablation["profile_rows"], MOST_ROWS
    if not numbers.find(table="verdicts") or (prompts[0] == prompts[1] and rows[0] == rows[1]):
        return ""
    samples = [
        f"the first {format_value(some, 'count')} prompts, at most {format_value(most, 'count')} rows of each"
        for some, most in zip(prompts, rows, strict=True)
    ]
    return (
        f"The verdict rests on {samples[0]} head and behaviour; the table is of {samples[1]} class of edges. "
        "So the same quantity has two estimates."
    )


def row_name(edges: str) -> str:
    """Return a class of edges, or the whole row, for a table's first column."""
    return "whole row" if edges == ALL else f"*{edges}*"


def task_edges_table(numbers: Numbers, head: str, tasks: list[str]) -> str:
    """What cutting each class of the head's edges costs at the destination of each task."""
    rows = []
    for task in tasks:
        for name in (ALL, *CLASSES):
            of_edges = {"head": head, "table": "task edges", "task": task, "edges": name, "method": "bos"}
            drop, mass = (numbers.find(**of_edges, quantity=quantity)[0] for quantity in ("drop", "mass"))
            if name == ALL or max(abs(drop.value), mass.value) >= LEAST_SHOWN:
                shows = "yes" if drop.detail["shows"] == "True" else ""
                lead = task_name(task) if name == ALL else ""
                rows.append([lead, row_name(name), mass.text, drop.brief, shows])
    caption = (
        "Edges at the tasks' destinations: how much attention they hold, and by how much the answer's "
        "probability drops when they alone go to BOS; intervals in brackets, prompts paired. A task *shows* "
        "a behaviour when these edges cost at least half of what the row costs, no other class as much, and "
        f"the row at least {format_value(LEAST_DROP, 'points')}: here with BOS in their place, in the text "
        "above with the mean output, too."
    )
    return table(["task", "edges", "attention", "drop", "shows"], rows, "llrrl", caption, "tbl-task-edges")
