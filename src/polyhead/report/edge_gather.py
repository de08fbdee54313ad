"""Readers of the tables about edges: what cutting them costs, the verdict on every head, the selection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from polyhead.ablation.verdict import JOINT, VARIANTS
from polyhead.files import read_json
from polyhead.model.head import Head
from polyhead.model.vocabulary import ALL
from polyhead.report.numbers import Number, interval_of

Reader = Callable[[Path, dict[str, str], str], Iterator[Number]]
FLAGS = ("verdict", "behaviours", "undecided", "with_rest", "mostly_unexplained")
METHODS_SHOWN = ("mean", "bos", "rescaled")


def verdicts(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """The verdict on every head that has rows, and which have which by which bounds."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table = table[table["rest"] != ""]
    for row in table.to_dict("records"):
        names = about | {"table": "verdict", "of": row["head"]}
        detail = {name: row[name] for name in FLAGS}
        rest = names | {"quantity": "rest"}
        yield Number(rest, float(row["rest"]), "percent", source, detail=detail)
        if row["explained"]:
            sides = interval_of(row["explained_low"], row["explained_high"])
            share = names | {"quantity": "explained"}
            yield Number(share, float(row["explained"]), "percent", source, **sides)
    for suffix in (*VARIANTS, JOINT):
        for name, heads in table.groupby(f"verdict{suffix}")["head"]:
            what = {"table": "verdicts", "bounds": suffix.lstrip("_") or "set", "verdict": str(name)}
            detail = {"heads": " ".join(heads)}
            yield Number(about | what, len(heads), "index", source, n=len(table), detail=detail)


def edge_profile(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """For every head and behaviour: the share of rows that it dominates, and what cutting its edges costs."""
    for row in pd.read_csv(path, dtype={"head": str}).dropna(subset="share").to_dict("records"):
        names = about | {"table": "edge profile", "of": str(row["head"]), "edges": str(row["edges"])}
        rows = int(row["rows"])
        yield Number(names | {"quantity": "share"}, float(row["share"]), "percent", source, rows)
        if pd.notna(row["cost"]):
            sides = interval_of(row["low"], row["high"])
            yield Number(names | {"quantity": "cost"}, float(row["cost"]), "cost", source, rows, **sides)
            yield Number(names | {"quantity": "bos"}, float(row["bos"]), "cost", source, rows)
            if sides := interval_of(row["package_low"], row["package_high"]):
                by = names | {"quantity": "cost by package"}
                yield Number(by, float(row["cost"]), "cost", source, rows, **sides)


def edge_costs(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """What cutting a class of edges costs, on all rows and on those that it dominates."""
    for row in pd.read_csv(path, dtype={"head": str}).to_dict("records"):
        edges, kind = str(row["edges"]), str(row["rows_dominated_by"])
        if kind not in (ALL, edges) or row["method"] not in METHODS_SHOWN:
            continue
        names = about | {"table": "edge costs", "edges": edges, "rows": kind, "method": str(row["method"])}
        yield from _edge_costs(row, names, source)


def _edge_costs(row: dict[Any, Any], names: dict[str, str], source: str) -> Iterator[Number]:
    rows = int(row["rows"])
    for quantity, unit in (("share", "percent"), ("mass", "weight"), ("kept", "percent")):
        if pd.notna(row[quantity]):
            yield Number(names | {"quantity": quantity}, float(row[quantity]), unit, source, rows)
    if pd.notna(row["cost"]):
        sides = interval_of(row["low"], row["high"])
        yield Number(names | {"quantity": "cost"}, float(row["cost"]), "cost", source, rows, **sides)


def task_edges(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """What cutting a class of edges at a task's destination costs, and whether the task shows a behaviour."""
    for row in pd.read_csv(path, dtype={"head": str}).to_dict("records"):
        names = about | {"table": "task edges"} | {k: str(row[k]) for k in ("task", "edges", "method")}
        detail = {"shows": str(row["shows"]), "top_sources": str(row["top_sources"])}
        sides, n = interval_of(row["low"], row["high"]), int(row["prompts"])
        drop = float(row["drop"])
        yield Number(names | {"quantity": "drop"}, drop, "points", source, n, detail=detail, **sides)
        yield Number(names | {"quantity": "mass"}, float(row["mass"]), "weight", source, n)


def selection(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """Where the study's heads rank on the documents that heads are chosen on."""
    record = read_json(path)
    sample = {"table": "selection", "quantity": "documents"}
    yield Number(about | sample, int(record["sample"]["documents"]), "count", source)
    winner = record["considered"][0]
    detail = {name: str(winner[name] or "") for name in ("head", "verdict", "behaviours")}
    detail["chosen_by"] = str(record["chosen_by"])
    detail["first_between"] = _first_between([str(head["head"]) for head in record["considered"]])
    for head in record["studied"]:
        names = about | {"table": "selection", "of": str(head["head"]), "quantity": "rank"}
        yield Number(names, int(head["rank"]), "index", source, n=int(head["of"]), detail=detail)


def _first_between(ranked: list[str]) -> str:
    """Return the first head of a layer that is neither the lowest nor the last; nothing if none is."""
    layers = [Head.parse(head).layer for head in ranked]
    inner = (h for h, layer in zip(ranked, layers, strict=True) if min(layers) < layer < max(layers))
    return next(inner, "")


OF_STUDY: dict[str, Reader] = {
    "verdicts.csv": verdicts,
    "edge_profile.csv": edge_profile,
    "selection.json": selection,
}
OF_HEAD: dict[str, Reader] = {"edge_costs.csv": edge_costs, "task_edges.csv": task_edges}
