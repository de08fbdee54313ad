"""Run the ablations of the tasks: one head at every position, and every head at the destination."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from polyhead.ablation.patching import (
    Method,
    ablate,
    ablated_runs,
    donor_texts,
    error_context,
    head_change,
    read_answer,
    replacement,
    without_edge,
)
from polyhead.ablation.tables import EDGE, means, outcome_table
from polyhead.attention.rows import patterns
from polyhead.model.head import Head, all_heads
from polyhead.model.protocol import AblationModel
from polyhead.prompts.templates import Task


def task_outcomes(
    model: AblationModel,
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
        tables.append(outcome_table(task, outcome, method, range(1, tokens.shape[1])))
    edge = partial(without_edge, source=task.source)
    outcome = ablate(model, tokens, answers, head, edge, destinations=[task.destination])
    return pd.concat([*tables, outcome_table(task, outcome, EDGE, [task.destination])], ignore_index=True)


def tasks_by_heads(model: AblationModel, tasks: Iterable[Task], n_resamples: int, seed: int) -> pd.DataFrame:
    """BOS-ablate every head of the model at the destination of every task.

    Columns: task, head, drop (of the answer's mean probability), drop_low, drop_high (bootstrap interval over
    prompts), attention (mean weight from the destination on the expected source), prompts.
    """
    heads, layers = all_heads(model.n_layers, model.n_heads), range(model.n_layers)
    parts = []
    for task in tasks:
        drops = np.concatenate([layer_drops(model, task, layer) for layer in layers], 1)
        columns: dict[str, Any] = {"task": task.name, "head": [str(head) for head in heads]}
        columns |= means({"drop": drops}, n_resamples, seed)
        rows = patterns(model, heads, torch.from_numpy(task.tokens))[:, :, task.destination]
        attention = rows[:, :, task.source].mean(0)
        parts.append(pd.DataFrame(columns | {"attention": attention.numpy(), "prompts": len(drops)}))
    return pd.concat(parts, ignore_index=True)


@torch.inference_mode()
def layer_drops(model: AblationModel, task: Task, number: int) -> Float[ndarray, "prompt head"]:
    """Return how much probability the answer loses when each head of a layer attends to BOS alone.

    An ablation that changes nothing, because the head already attends so, costs nothing.
    """
    layer, heads = model.layers[number], range(model.n_heads)
    residual = model.residual_before(number, torch.from_numpy(task.tokens))
    to_bos = partial(replacement, method=Method.BOS)
    changes = [head_change(layer, head, residual, to_bos)[:, task.destination] for head in heads]
    destinations = [task.destination] * len(changes)
    runs = ablated_runs(model.clean_run(number, residual), heads, torch.stack(changes, 1), destinations)
    probability = read_answer(model, runs, torch.from_numpy(task.answers)).probability.double().numpy()
    return probability[:, :1] - probability[:, 1:]
