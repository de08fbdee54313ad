"""Run the ablations of the tasks: one head at every position, and every head at the destination."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from polyhead.ablation.patching import (
    PROMPTS_AT_ONCE,
    Method,
    ablate,
    donor_texts,
    error_context,
    read_answer,
    without_edge,
)
from polyhead.ablation.tables import EDGE, means, outcome_table
from polyhead.model.head import Head, all_heads
from polyhead.model.protocol import Model
from polyhead.prompts.templates import Task


def task_outcomes(
    model: Model,
    task: Task,
    head: Head,
    methods: Sequence[str],
    texts: Int[ndarray, "text pos"] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Ablate a head at every position of a task, by each method; and the edge to the expected source alone.

    `texts` are tokens of other texts, BOS first, from which `RESAMPLE` draws one for each prompt.

    Returns:
        `outcome_table` of every method and of `EDGE`.

    Raises:
        PolyheadError: an ablation that changes nothing, or texts that are too short; names task and method.
    """
    tokens, answers = torch.from_numpy(task.tokens), torch.from_numpy(task.answers)
    donors, tables = None, []
    for method in methods:
        with error_context(f"task {task.name}, method {method}"):
            if method == Method.RESAMPLE:
                donors = torch.from_numpy(donor_texts(texts, len(tokens), tokens.shape[1], seed)).long()
            outcome = ablate(model, tokens, answers, head, method, donors=donors)
        tables.append(outcome_table(outcome, method, range(1, tokens.shape[1])))
    edge = partial(without_edge, source=task.source)
    outcome = ablate(model, tokens, answers, head, edge, destinations=[task.destination])
    return pd.concat([*tables, outcome_table(outcome, EDGE, [task.destination])], ignore_index=True)


def tasks_by_heads(model: Model, tasks: Iterable[Task], n_resamples: int, seed: int) -> pd.DataFrame:
    """BOS-ablate every head of the model at the destination of every task.

    Columns: task, head, drop (of the answer's mean probability), drop_low, drop_high (bootstrap interval over
    prompts), attention (mean weight from the destination on the expected source), prompts.
    """
    heads, parts = all_heads(model.n_layers, model.n_heads), []
    for task in tasks:
        drops, attention = drops_of_heads(model, task)
        columns: dict[str, Any] = {"task": task.name, "head": [str(head) for head in heads]}
        columns |= means({"drop": drops}, n_resamples, seed)
        parts.append(pd.DataFrame(columns | {"attention": attention.mean(0), "prompts": len(drops)}))
    return pd.concat(parts, ignore_index=True)


@torch.inference_mode()
def drops_of_heads(
    model: Model, task: Task
) -> tuple[Float[ndarray, "prompt head"], Float[ndarray, "prompt head"]]:
    """Return how much probability the answer loses when each head attends to BOS alone at the destination.

    And each head's weight from there on the expected source. An ablation that changes nothing, because the
    head already attends so, costs nothing. All heads share one clean run.
    """
    drops, weights, heads, dest = [], [], [*range(model.n_heads)], task.destination
    answers = torch.from_numpy(task.answers).split(PROMPTS_AT_ONCE)
    prompts = model.residual_before(0, torch.from_numpy(task.tokens)).split(PROMPTS_AT_ONCE)
    for some, answer in zip(prompts, answers, strict=True):
        streams: list[torch.Tensor] = []
        attention = []
        for layer, run in zip(model.layers, model.clean_runs(0, some), strict=True):
            pattern, values = layer.read(run.before, heads)
            rows = pattern[:, :, dest, None]
            changes = (values[:, :, :1] - rows @ values)[:, :, 0]
            streams = streams or [run.last_residuals([0], 0 * changes[:, :1], [dest])]  # clean
            streams.append(run.last_residuals(heads, changes, [dest] * len(heads)))
            attention.append(rows[:, :, 0, task.source])
        found = read_answer(model, torch.cat(streams, 1), answer).probability.double()
        drops.append(found[:, :1] - found[:, 1:])
        weights.append(torch.cat(attention, 1))
    return torch.cat(drops).numpy(), torch.cat(weights).numpy()
