"""Tables of the tasks: what ablating one head does to the answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from polyhead.ablation.patching import Method, Outcome
from polyhead.prompts.templates import Task, role_of
from polyhead.stats import mean_intervals, share_interval

CLEAN = -1
"""Position that stands for the run without an ablation."""
EDGE = "edge"
"""Method: of the destination's row only the weight on the expected source goes to BOS."""


def outcome_table(outcome: Outcome, method: str, destinations: Sequence[int]) -> pd.DataFrame:
    """Lay out one method of ablation of a task, a line per prompt and run.

    Columns: prompt, method, position (−1: clean), probability, rank (0: the model's first choice).
    """
    prompts, positions = len(outcome.rank), np.array([CLEAN, *destinations], np.int32)
    return pd.DataFrame(
        {
            "prompt": np.repeat(np.arange(prompts, dtype=np.int32), len(positions)),
            "method": method,
            "position": np.tile(positions, prompts),
            "probability": outcome.probability.numpy().ravel(),
            "rank": outcome.rank.numpy().astype(np.int32).ravel(),
        }
    )


def means(
    values: Mapping[str, Float[ndarray, "prompt column"]], n_resamples: int, seed: int
) -> dict[str, Float[ndarray, " column"]]:
    """Return each quantity's mean over prompts, `x`, and its bootstrap interval, `x_low` and `x_high`."""
    found: dict[str, ndarray] = {}
    for name, of_prompts in values.items():
        low, high = mean_intervals(of_prompts, n_resamples, seed)
        found |= {name: of_prompts.mean(0), f"{name}_low": low, f"{name}_high": high}
    return found


def runs_table(tasks: Iterable[tuple[Task, pd.DataFrame]], n_resamples: int, seed: int) -> pd.DataFrame:
    """Tabulate what a head's ablation does to every task, a line per method and run.

    The runs: `clean`; `ablated`, at the destination; `elsewhere`, at the other position with the largest mean
    drop; and `edge`, at the destination again, where only the weight on the expected source goes to BOS.

    Columns: task, method, run, position (ablated; −1: clean), prompts, top1 (share of prompts in which the
    answer is the first choice; Wilson interval), mean_probability, drop (of the mean probability) and
    top1_drop, both clean − run, each prompt paired with its own clean run, empty in the clean run (bootstrap
    intervals over prompts). The interval of x is x_low, x_high.
    """
    parts = [
        _runs(task, method, outcomes, n_resamples, seed)
        for task, every in tasks
        for method, outcomes in every.groupby("method", sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def _runs(task: Task, method: str, outcomes: pd.DataFrame, n_resamples: int, seed: int) -> pd.DataFrame:
    probability, first = _by_position(outcomes, "probability"), _by_position(outcomes, "rank") == 0
    others = probability.drop(columns=[CLEAN, task.destination]).mean()
    runs = {EDGE: task.destination} if method == EDGE else {"clean": CLEAN, "ablated": task.destination}
    runs |= {"elsewhere": others.idxmin()} if len(others) else {}
    positions = [*runs.values()]
    top1, ablated = first[positions].to_numpy(), np.not_equal(positions, CLEAN)
    values = {
        "mean_probability": probability[positions].to_numpy(),
        "drop": probability[[CLEAN]].to_numpy() - probability[positions].to_numpy(),
        "top1_drop": first[[CLEAN]].to_numpy() - 1.0 * top1,
    }
    values |= {name: np.where(ablated, values[name], np.nan) for name in ("drop", "top1_drop")}
    sides = np.array([share_interval(hits) for hits in top1.T])
    columns: dict[str, Any] = {
        "task": task.name,
        "method": Method.BOS if method == EDGE else method,
        "run": [*runs],
        "position": positions,
        "prompts": len(top1),
        "top1": top1.mean(0),
        "top1_low": sides[:, 0],
        "top1_high": sides[:, 1],
    }
    return pd.DataFrame(columns | means(values, n_resamples, seed))


def _by_position(outcomes: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column as prompts × positions."""
    return outcomes.pivot(index="prompt", columns="position", values=column).astype(float)


def positions_table(
    tasks: Iterable[tuple[Task, pd.DataFrame]], labels: Sequence[str], n_resamples: int, seed: int
) -> pd.DataFrame:
    """Tabulate what an ablation at each position of every task costs on average.

    Columns: task, method, position, token_label (of the first prompt), role (destination, source, slot or
    empty), mean_probability of the answer and drop (clean − ablated, paired by prompt), with bootstrap
    intervals over prompts (`_low`, `_high`).
    """
    parts = []
    for task, every in tasks:
        for method, outcomes in every[every["method"] != EDGE].groupby("method", sort=False):
            ablated = _by_position(outcomes, "probability")
            clean = ablated.pop(CLEAN)
            drops = -ablated.sub(clean, axis=0)
            values = {"mean_probability": ablated.to_numpy(), "drop": drops.to_numpy()}
            columns: dict[str, Any] = {
                "task": task.name,
                "method": method,
                "position": ablated.columns,
                "token_label": [labels[task.tokens[0, p]] for p in ablated],
                "role": [role_of(task, p) for p in ablated],
            }
            parts.append(pd.DataFrame(columns | means(values, n_resamples, seed)))
    return pd.concat(parts, ignore_index=True)
