"""Readers of the tables about labels: what their rows write and are worth, and which edges they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from polyhead.files import read_csv
from polyhead.report.derived import COMMON
from polyhead.report.numbers import Number, interval_of

Reader = Callable[[Path, dict[str, str], str], Iterator[Number]]


def resting(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """What the head writes in rows of each label, and what three ablations of the whole row cost there."""
    lines = read_csv(path).to_dict("records")
    for label, row in {row["label"]: row for row in lines}.items():
        names, n = about | {"table": "resting", "label": label}, int(row["rows"])
        for name in ("norm", "distance"):
            if row[name] != "":
                sides = interval_of(row[f"{name}_low"], row[f"{name}_high"])
                yield Number(names | {"quantity": name}, float(row[name]), "weight", source, n, **sides)
    for row in (row for row in lines if row["method"]):
        names = about | {"table": "resting", "label": row["label"], "quantity": row["method"]}
        sides = interval_of(row["low"], row["high"])
        yield Number(names, float(row["cost"]), "cost", source, int(row["rows"]), **sides)


def unknown_edges(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """Mass and cost of every class of edges in the rows that a taxonomy leaves unknown."""
    table = read_csv(path)
    for row in table[table["mass"] != ""].to_dict("records"):
        names, n = {"table": "unknown edges", "taxonomy": row["taxonomy"], "edges": row["edges"]}, row["rows"]
        mass, cost = interval_of(row["mass_low"], row["mass_high"]), interval_of(row["low"], row["high"])
        of_edges = about | names
        yield Number(of_edges | {"quantity": "mass"}, float(row["mass"]), "percent", source, int(n), **mass)
        yield Number(of_edges | {"quantity": "cost"}, float(row["cost"]), "cost", source, int(n), **cost)


def without_rest(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """What unknown rows are called when rest is taken out."""
    for row in read_csv(path).itertuples():
        names = about | {"table": "without rest", "taxonomy": row.taxonomy, "label": row.label}
        yield Number(names, float(row.share), "percent", source, n=int(row.rows))


def label_edges(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """The mass of every class of edges in the rows of each label that is common."""
    table = read_csv(path)
    for row in table[table["share"] >= COMMON].itertuples():
        names = {"table": "label edges", "taxonomy": row.taxonomy, "label": row.label, "edges": row.edges}
        yield Number(about | names, float(row.mass), "percent", source, n=int(row.rows))


OF_HEAD: dict[str, Reader] = {
    "resting.csv": resting,
    "unknown_edges.csv": unknown_edges,
    "unknown_without_rest.csv": without_rest,
    "label_edges.csv": label_edges,
}
