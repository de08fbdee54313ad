"""Controls that the post does not have: is it this head, does it attend there, is it that edge?"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from polyhead.ablation.patching import (
    Edit,
    Method,
    ablated_runs,
    head_change,
    read_answer,
    replacement,
    without_edge,
)
from polyhead.attention.behaviours import BEHAVIOURS, Context
from polyhead.attention.labels import TOLERANCE, Definitions
from polyhead.attention.rows import patterns, prompt_contexts
from polyhead.model.head import Head, all_heads
from polyhead.model.protocol import AblationModel, Heads
from polyhead.model.vocabulary import Vocabulary
from polyhead.prompts.templates import Task
from polyhead.stats import mean_intervals, share_interval

TO_BOS = partial(replacement, method=Method.BOS)


@torch.inference_mode()
def drops_at_destination(
    model: AblationModel, task: Task, layer: int, edits: Iterable[tuple[int, Edit]]
) -> Float[ndarray, "prompt edit"]:
    """Return how much probability the answer loses in each prompt when a head's row is edited there.

    `edits` are pairs of a head of the layer and what is done to its pattern. An edit that changes nothing,
    because the head already does what it is made to do, costs nothing.
    """
    tokens, answers = torch.from_numpy(task.tokens), torch.from_numpy(task.answers)
    residual = model.residual_before(layer, tokens)
    heads, some = zip(*edits, strict=True)
    changes = [
        head_change(model.layers[layer], head, residual, edit)[:, task.destination]
        for head, edit in zip(heads, some, strict=True)
    ]
    destinations = [task.destination] * len(changes)
    runs = ablated_runs(model.clean_run(layer, residual), heads, torch.stack(changes, 1), destinations)
    probability = read_answer(model, runs, answers).probability.double().numpy()
    return probability[:, :1] - probability[:, 1:]


def attention_at_destination(
    model: AblationModel, task: Task, heads: Heads
) -> Float[Tensor, "prompt head src"]:
    """Return the heads' rows at the destination."""
    return patterns(model, heads, torch.from_numpy(task.tokens))[:, :, task.destination]


def behaviour_mass(
    rows: Float[ndarray, "prompt src"], task: Task, vocabulary: Vocabulary, window: int
) -> Float[ndarray, " prompt"]:
    """Return each row's mass on the union of the behaviours that the task is about."""
    contexts = prompt_contexts(task.tokens, vocabulary, window)
    return np.array([row[sources(context, task)].sum() for row, context in zip(rows, contexts, strict=True)])


def sources(context: Context, task: Task) -> Int[ndarray, " source"]:
    """Return the sources at which one of the task's behaviours holds for the destination."""
    pairs = [BEHAVIOURS[name](context) for name in task.behaviour]
    return np.unique(np.concatenate([src[dest == task.destination] for dest, src in pairs]))


def tasks_by_heads(model: AblationModel, tasks: Iterable[Task], n_resamples: int, seed: int) -> pd.DataFrame:
    """BOS-ablate every head of the model at the destination of every task.

    Columns: task, head, drop (of the answer's probability, mean over prompts), low, high, attention
    (mean weight on the attended token), prompts.
    """
    heads = all_heads(model.n_layers, model.n_heads)
    everywhere = [(head, TO_BOS) for head in range(model.n_heads)]
    parts = []
    for task in tasks:
        drops = np.concatenate(
            [drops_at_destination(model, task, layer, everywhere) for layer in range(model.n_layers)], 1
        )
        low, high = mean_intervals(drops, n_resamples, seed)
        attention = attention_at_destination(model, task, heads)[:, :, task.attended].mean(0)
        parts.append(
            pd.DataFrame(
                {
                    "task": task.name,
                    "head": [str(head) for head in heads],
                    "drop": drops.mean(0),
                    "low": low,
                    "high": high,
                    "attention": attention.numpy(),
                    "prompts": len(task.tokens),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def head_controls(
    model: AblationModel,
    vocabulary: Vocabulary,
    task: Task,
    head: Head,
    definitions: Definitions,
    *,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Measure the controls of one head on one task, at the destination.

    Columns: task, control, quantity, value, low, high, prompts. The controls:
    `attention`: mean weight on the attended token; share of prompts in which it gets the most weight.
    `behaviour`: mean mass on the expected behaviours; share of prompts in which it reaches the threshold.
    `head`: drop in the answer's probability when the whole row goes to BOS.
    `edge`: the same drop when only the attended token's weight goes to BOS, all other weights kept.
    """
    rows = attention_at_destination(model, task, [head])[:, 0].double().numpy()
    mass = behaviour_mass(rows, task, vocabulary, definitions.window)
    edge = partial(without_edge, source=task.attended)
    drops = drops_at_destination(model, task, head.layer, [(head.number, TO_BOS), (head.number, edge)])
    means = {
        ("attention", "mean"): rows[:, task.attended],
        ("behaviour", "mean"): mass,
        ("head", "drop"): drops[:, 0],
        ("edge", "drop"): drops[:, 1],
    }
    shares = {
        ("attention", "share"): rows.argmax(1) == task.attended,
        ("behaviour", "share"): mass >= definitions.threshold - TOLERANCE,
    }
    lines = [
        (*name, values.mean(), *mean_intervals(values[:, None], n_resamples, seed)[:, 0], len(rows))
        for name, values in means.items()
    ]
    lines += [(*name, hits.mean(), *share_interval(hits), len(hits)) for name, hits in shares.items()]
    table = pd.DataFrame(lines, columns=["control", "quantity", "value", "low", "high", "prompts"])
    table.insert(0, "task", task.name)
    return table
