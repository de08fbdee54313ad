"""What the reference model is meant to reach; the bounds are the recipe's.

What the model alone shows is held against its evaluation. What is asked of a head is held against the
tables of a study of it, whose prompts had no part in choosing the head.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from polyhead.attention.labels import UNKNOWN
from polyhead.edges.classes import CLASS_BEHAVIOURS
from polyhead.model.head import Head
from polyhead.model.vocabulary import ALL
from polyhead.training.recipe import HeadTargetsRecipe, TargetsRecipe

Evaluation = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """One aim: what was asked, what was found, and whether that is enough."""

    aim: str
    found: str
    reached: bool


def targets(evaluation: Evaluation, wanted: TargetsRecipe) -> list[Target]:
    """Hold an evaluation against what is wanted of the model."""
    heads, bits = evaluation["heads"], evaluation["held_out"]["bits_per_byte"]
    aim = f"held-out text: at most {wanted.bits_per_byte} bits per byte"
    found = [Target(aim, f"{bits:.3f}", bits <= wanted.bits_per_byte)]
    for column, what in SCORES.items():
        best = max(heads, key=lambda name: heads[name][column])
        score, least = heads[best][column], getattr(wanted, column)
        found.append(Target(f"a head with {what} ≥ {least}", f"{score:.2f}, head {best}", score >= least))
    return [*found, *(_family(evaluation, family, wanted.task_top1) for family in wanted.families)]


SCORES = {
    "induction_repeated": "an induction score, on a short random sequence of tokens that text has, twice,",
    "previous": "attention exactly one token back",
}


def _family(evaluation: Evaluation, family: str, least: float) -> Target:
    """Take the best of the templates that ask for one behaviour."""
    tasks = {name: task for name, task in evaluation["tasks"].items() if name.startswith(family)}
    best = max(tasks, key=lambda name: tasks[name]["top1"])
    top1 = tasks[best]["top1"]
    aim = f"a template of {family.replace('_', ' ')} done in {least:.0%} of its prompts"
    return Target(aim, f"{top1:.0%}, {best}", top1 >= least)


def head_targets(study: Path, head: str, wanted: HeadTargetsRecipe) -> list[Target]:
    """Hold the tables of a finished study against what is wanted of its head.

    Args:
        study: the study's folder.
        head: the head it studies.
        wanted: the bounds.
    """
    tables = study / "heads" / head
    return [
        _below_the_last_layer(study / "verdicts.csv", head, wanted),
        _named(tables / "distribution.csv", wanted),
        _needed(context_drops(tables), wanted, "contexts found by rule"),
        _needed(task_drops(tables), wanted, "templates"),
    ]


def _below_the_last_layer(verdicts: Path, head: str, wanted: HeadTargetsRecipe) -> Target:
    line = pd.read_csv(verdicts, dtype={"head": str}, keep_default_na=False).set_index("head").loc[head]
    found = f"{head}: {line['verdict']}" + (f" ({line['behaviours']})" if line["behaviours"] else "")
    reached = Head.parse(head).layer in wanted.layers and line["verdict"] == "polysemantic"
    layers = " or ".join(map(str, wanted.layers))
    return Target(f"a head of layer {layers} that is polysemantic", found, reached)


def _named(distribution: Path, wanted: HeadTargetsRecipe) -> Target:
    """Take the taxonomy that leaves fewest of the head's rows unknown."""
    table = pd.read_csv(distribution)
    shares = table[(table["token_label"] == ALL) & (table["label"] == UNKNOWN)].set_index("taxonomy")["share"]
    named = 1 - shares.reindex(table["taxonomy"].unique(), fill_value=0.0)
    aim = f"more than {wanted.named:.0%} of its rows named by a taxonomy"
    found = f"{named.max():.0%}, {named.idxmax()}"
    return Target(aim, found, bool(named.max() > wanted.named))


def _needed(drops: pd.DataFrame, wanted: HeadTargetsRecipe, where: str) -> Target:
    """Say of which behaviours the head is needed, through their edges, and nowhere else as much.

    A task counts for the behaviour that it shows through this head.
    """
    enough = drops[["drop", "top1_drop"]].max(axis=1) >= wanted.drop
    through = drops["through"] >= wanted.through * drops["drop"]
    alone = drops["elsewhere"] < wanted.elsewhere * drops["drop"]
    met = list(dict.fromkeys(drops.loc[enough & through & alone, "behaviour"]))
    aim = (
        f"{where} of {wanted.behaviours} behaviours lose {wanted.drop} of probability or of first choices "
        f"without it, at least {wanted.through:.0%} of that through the behaviour's edges, and less than "
        f"{wanted.elsewhere:.0%} of it at any other position"
    )
    found = "; ".join(_in_words(line) for line in drops.itertuples()) or "none"
    return Target(aim, found, len(met) >= wanted.behaviours)


def _in_words(line: Any) -> str:
    parts = f"through its edges {line.through:.2f}, elsewhere at most {line.elsewhere:.2f}"
    return f"{line.name}: {line.drop:.2f} ({parts})"


def context_drops(tables: Path) -> pd.DataFrame:
    """Return what the head's BOS ablation costs in contexts found by rule, a line for each behaviour.

    Returns:
        name and behaviour; drop and top1_drop, of the whole row at the destination; through: drop of cutting
        the behaviour's edges alone; elsewhere: the largest drop at another position.
    """
    runs, before = pd.read_csv(tables / "contexts.csv"), pd.read_csv(tables / "context_positions.csv")
    elsewhere = before.groupby("behaviour")["drop"].max()
    lines = []
    for name, part in runs.groupby("behaviour", sort=False):
        edits = part[part["method"] == "bos"].set_index("edges")
        if ALL in edits.index:
            clean, whole = part.loc[part["run"] == "clean", "top1"].iloc[0], edits.loc[ALL]
            numbers = whole["drop"], clean - whole["top1"], edits.loc[name, "drop"], elsewhere[name]
            lines.append((name, name, *numbers))
    return pd.DataFrame(lines, columns=DROP_COLUMNS)


DROP_COLUMNS = ["name", "behaviour", "drop", "top1_drop", "through", "elsewhere"]


def task_drops(tables: Path) -> pd.DataFrame:
    """Return the same for the tasks that show a behaviour through this head; see `context_drops`."""
    return pd.DataFrame(_shown(tables), columns=DROP_COLUMNS)


def _shown(tables: Path) -> Iterator[tuple[object, ...]]:
    runs, edges = pd.read_csv(tables / "ablation.csv"), pd.read_csv(tables / "task_edges.csv")
    positions = pd.read_csv(tables / "ablation_positions.csv", keep_default_na=False)
    positions = positions[(positions["method"] == "bos") & (positions["role"] != "destination")]
    elsewhere = positions.groupby("task")["drop"].max()
    runs = runs[(runs["method"] == "bos") & (runs["run"] == "ablated")].set_index("task")
    shown = edges[(edges["method"] == "bos") & edges["shows"] & edges["edges"].isin(CLASS_BEHAVIOURS)]
    for line in shown.itertuples():
        whole = runs.loc[line.task]
        yield line.task, line.edges, whole["drop"], whole["top1_drop"], line.drop, elsewhere[line.task]
