"""Tables of section 2: what the ablation of one head does to every task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from polyhead.ablation.patching import Outcome
from polyhead.prompts.templates import Task
from polyhead.stats import mean_intervals, share_interval

CLEAN = -1
"""Position that stands for the run without an ablation."""


def outcome_table(task: Task, outcome: Outcome, method: str) -> pd.DataFrame:
    """Lay out one method of ablation of a task, a line per prompt and run.

    Columns: prompt, method, position (−1: clean), token (ablated there; −1: clean), answer, probability,
    rank.
    """
    prompts, runs = outcome.probability.shape
    tokens = np.concatenate([np.full((prompts, 1), CLEAN), task.tokens[:, 1:]], 1)
    return pd.DataFrame(
        {
            "prompt": np.repeat(np.arange(prompts, dtype=np.int32), runs),
            "method": method,
            "position": np.tile(np.array([CLEAN, *range(1, runs)], dtype=np.int32), prompts),
            "token": tokens.astype(np.int32).ravel(),
            "answer": np.repeat(task.answers.astype(np.int32), runs),
            "probability": outcome.probability.numpy().ravel(),
            "rank": outcome.rank.numpy().astype(np.int32).ravel(),
        }
    )


def runs_table(tasks: Iterable[tuple[Task, pd.DataFrame]], n_resamples: int, seed: int) -> pd.DataFrame:
    """Tabulate the clean run and the run ablated at the destination.

    Columns: task, method, run (clean, ablated), prompts, top1 (share of prompts in which the answer is the
    first choice; Wilson interval), mean_probability (bootstrap interval over prompts), drop (of the mean
    probability, clean − ablated) and top1_drop (of top1; bootstrap intervals of the differences, each prompt
    paired with its own clean run; empty in the clean run), each with `_low` and `_high`.
    """
    lines = []
    for task, outcomes in tasks:
        for method, table in outcomes.groupby("method", sort=False):
            clean, ablated = (
                table[table["position"] == position].set_index("prompt")
                for position in (CLEAN, task.destination)
            )
            drops = _drops(clean, ablated, n_resamples, seed)
            for run, chosen, more in (("clean", clean, {}), ("ablated", ablated, drops)):
                names = {"task": task.name, "method": method, "run": run}
                lines.append(names | _summary(chosen, n_resamples, seed) | more)
    return pd.DataFrame(lines)


def _drops(clean: pd.DataFrame, ablated: pd.DataFrame, n_resamples: int, seed: int) -> dict[str, float]:
    """Return what the ablation takes away in the mean, of probability and of first choices, paired."""
    first = (clean["rank"] == 0).astype(float) - (ablated["rank"] == 0).astype(float)
    paired = {"drop": clean["probability"] - ablated["probability"], "top1_drop": first}
    found: dict[str, float] = {}
    for name, values in paired.items():
        low, high = mean_intervals(values.to_numpy(float)[:, None], n_resamples, seed)[:, 0]
        found |= {name: float(values.mean()), f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def _summary(run: pd.DataFrame, n_resamples: int, seed: int) -> dict[str, int | float]:
    first = run["rank"].to_numpy() == 0
    top1_low, top1_high = share_interval(first)
    probability = run["probability"].to_numpy()[:, None].astype(float)
    low, high = mean_intervals(probability, n_resamples, seed)[:, 0]
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
    tasks: Iterable[tuple[Task, pd.DataFrame]], labels: Sequence[str], n_resamples: int, seed: int
) -> pd.DataFrame:
    """Tabulate what an ablation at each position costs on average.

    Columns: task, method, position, token_label (of the first prompt), role (destination, attended, slot or
    empty), mean_probability of the answer, drop (clean − ablated, in probability), each with a bootstrap
    interval over prompts (`_low`, `_high`). The drop's interval is of the paired difference.
    """
    parts = []
    for task, outcomes in tasks:
        for method, table in outcomes.groupby("method", sort=False):
            runs = table.pivot(index="prompt", columns="position", values="probability")
            ablated = runs.drop(columns=CLEAN)
            columns = {"mean_probability": ablated, "drop": -ablated.sub(runs[CLEAN], axis=0)}
            part = pd.DataFrame({"task": task.name, "method": method, "position": ablated.columns})
            part["token_label"] = [labels[task.tokens[0, p]] for p in ablated.columns]
            part["role"] = [role(task, p) for p in ablated.columns]
            for name, values in columns.items():
                low, high = mean_intervals(values.to_numpy(float), n_resamples, seed)
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
