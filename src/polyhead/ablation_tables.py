"""Tables of section 2: what the ablation of one head does to every task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from polyhead.ablation import Outcome
from polyhead.intervals import mean_intervals, share_interval
from polyhead.templates import Task

CLEAN = -1
"""Position that stands for the run without an ablation."""


def outcome_table(task: Task, outcome: Outcome, kind: str) -> pd.DataFrame:
    """Lay out one kind of ablation of a task, a line per prompt and run.

    Columns: prompt, kind, position (−1: clean), token (ablated there; −1: clean), answer, probability, rank.
    """
    prompts, runs = outcome.probability.shape
    tokens = np.concatenate([np.full((prompts, 1), CLEAN), task.tokens[:, 1:]], 1)
    return pd.DataFrame(
        {
            "prompt": np.repeat(np.arange(prompts, dtype=np.int32), runs),
            "kind": kind,
            "position": np.tile(np.array([CLEAN, *range(1, runs)], dtype=np.int32), prompts),
            "token": tokens.astype(np.int32).ravel(),
            "answer": np.repeat(task.answers.astype(np.int32), runs),
            "probability": outcome.probability.numpy().ravel(),
            "rank": outcome.rank.numpy().astype(np.int32).ravel(),
        }
    )


def runs_table(tasks: Iterable[tuple[Task, pd.DataFrame]], draws: int, seed: int) -> pd.DataFrame:
    """Tabulate the clean run and the run ablated at the destination.

    Columns: task, kind, run (clean, ablated), prompts, top1 (share of prompts in which the answer is the
    first choice; Wilson interval), mean_probability (bootstrap interval over prompts), each with `_low` and
    `_high`.
    """
    lines = []
    for task, outcomes in tasks:
        for kind, table in outcomes.groupby("kind", sort=False):
            for run, position in (("clean", CLEAN), ("ablated", task.destination)):
                chosen = table[table["position"] == position]
                lines.append({"task": task.name, "kind": kind, "run": run, **_summary(chosen, draws, seed)})
    return pd.DataFrame(lines)


def _summary(run: pd.DataFrame, draws: int, seed: int) -> dict[str, int | float]:
    first = run["rank"].to_numpy() == 0
    top1_low, top1_high = share_interval(first)
    probability = run["probability"].to_numpy()[:, None].astype(float)
    low, high = mean_intervals(probability, draws, seed)[:, 0]
    return {
        "prompts": len(run),
        "top1": float(first.mean()),
        "top1_low": top1_low,
        "top1_high": top1_high,
        "mean_probability": float(probability.mean()),
        "mean_probability_low": float(low),
        "mean_probability_high": float(high),
    }


def positions_table(
    tasks: Iterable[tuple[Task, pd.DataFrame]], labels: Sequence[str], draws: int, seed: int
) -> pd.DataFrame:
    """Tabulate what an ablation at each position costs on average.

    Columns: task, kind, position, token_label (of the first prompt), role (destination, attended, slot or
    empty), mean_probability of the answer, drop (clean − ablated, in probability), each with a bootstrap
    interval over prompts (`_low`, `_high`). The drop's interval is of the paired difference.
    """
    parts = []
    for task, outcomes in tasks:
        for kind, table in outcomes.groupby("kind", sort=False):
            runs = table.pivot(index="prompt", columns="position", values="probability")
            ablated = runs.drop(columns=CLEAN)
            columns = {"mean_probability": ablated, "drop": -ablated.sub(runs[CLEAN], axis=0)}
            part = pd.DataFrame({"task": task.name, "kind": kind, "position": ablated.columns})
            part["token_label"] = [labels[task.tokens[0, p]] for p in ablated.columns]
            part["role"] = [role(task, p) for p in ablated.columns]
            for name, values in columns.items():
                low, high = mean_intervals(values.to_numpy(float), draws, seed)
                part = part.assign(
                    **{name: values.mean().to_numpy(), f"{name}_low": low, f"{name}_high": high}
                )
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def role(task: Task, position: int) -> str:
    """Return what a position is in its task: destination, attended, slot, or nothing in particular."""
    if position == task.destination:
        return "destination"
    if position == task.attended:
        return "attended"
    return "slot" if position in task.slots else ""
