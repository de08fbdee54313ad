"""The numbers that a study has of every head, for the explorer's map of heads."""

from __future__ import annotations

from typing import Any

import pandas as pd

from polyhead.edges.classes import CLASS_BEHAVIOURS
from polyhead.model.head import Head


def heads_map(edges: pd.DataFrame, verdicts: pd.DataFrame, tasks: pd.DataFrame | None) -> dict[str, Any]:
    """Return every head's verdict and numbers, as plain data: None where a study has no such number.

    Args:
        edges: head, edges (`all`, `sink` and the behaviours), share, mass, entropy, cost.
        verdicts: head, verdict, behaviours, explained.
        tasks: task, head, drop (of the answer's probability); None where heads were not tried on tasks.
    """
    heads = sorted(verdicts["head"], key=Head.parse)
    verdicts = verdicts.replace({"verdict": {"one": "one behaviour"}}).fillna({"behaviours": ""})
    of_edges, of_head = edges.set_index(["edges", "head"]), verdicts.set_index("head")
    numbers = {"layer": pd.Series({head: Head.parse(head).layer for head in heads})}

    def add(name: str, edges_: str, column: str) -> None:
        if edges_ in of_edges.index and column in of_edges:
            numbers[name] = of_edges[column][edges_]

    add("whole row: cost in nats", "all", "cost")
    add("entropy of a row in nats", "all", "entropy")
    add("sink: mean mass", "sink", "mass")
    for name in CLASS_BEHAVIOURS:
        add(f"{name}: share of rows", name, "share")
        add(f"{name}: cost in nats", name, "cost")
    numbers["explained share"] = of_head["explained"]
    for task, drops in [] if tasks is None else tasks.groupby("task", sort=False):
        numbers[f"task {task}: drop"] = drops.set_index("head")["drop"]
    table = pd.DataFrame(numbers).reindex(heads).dropna(axis=1, how="all").astype(object)
    return {
        "heads": heads,
        "verdicts": [
            f"{one.verdict}: {one.behaviours}" if one.behaviours else one.verdict
            for one in of_head.loc[heads].itertuples()
        ],
        "numbers": {name: column.where(column.notna(), None).tolist() for name, column in table.items()},
    }
