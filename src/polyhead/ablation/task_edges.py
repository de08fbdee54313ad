"""Which edges of a head a task depends on: at its destination each class is cut, and the answer read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from polyhead.ablation.edge_costs import Codes, Fill, Parts, changes, cut_only, parts_by_class
from polyhead.ablation.patching import ablated_runs, read_answer
from polyhead.ablation.tables import role
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS, CLASSES, class_matrix
from polyhead.attention.rows import prompt_contexts
from polyhead.intervals import mean_intervals
from polyhead.model.head import Head
from polyhead.model.protocol import AblationModel
from polyhead.model.vocabulary import ALL, Vocabulary
from polyhead.prompts.templates import Task

EDITS = tuple(product((Fill.BOS, Fill.MEAN), (ALL, *CLASSES)))
TOP_SOURCES = 3
LEAST_OF_WHOLE, LEAST_DROP = 0.5, 0.05
"""A task shows a behaviour when cutting its edges costs this share of the whole row, and that this much."""


@torch.inference_mode()
def task_edges(
    model: AblationModel,
    vocabulary: Vocabulary,
    task: Task,
    head: Head,
    mean: Float[ndarray, " d_head"],
    *,
    window: int,
    n_resamples: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cut each class of a head's edges at the task's destination, and read the answer at the end.

    `mean` is the head's mean output on real text: what takes the place of cut edges under method `mean`.

    Returns:
        task, edges (a class, or `all`: the whole row), method (bos or mean), prompts, mass (mean, of these
        edges), drop (of the answer's probability) with low and high (bootstrap over prompts, each paired with
        its clean run), of_whole (share of what cutting the whole row costs; empty where that costs nothing),
        shows (the task shows this behaviour through this head), top_sources (in words).

        And the three positions that get most attention from there: task, place (1 to 3), position,
        token_label (of the first prompt), role, edges (the class, in most prompts), weight (mean).
    """
    tokens = torch.from_numpy(task.tokens).long()
    residual, layer = model.residual_before(head.layer, tokens), model.layers[head.layer]
    pattern, of_head = layer.read(residual, [head.number])
    rows, values = pattern[:, 0, task.destination], of_head[:, 0]
    codes = destination_codes(task, vocabulary, window).to(rows.device)
    parts = [
        parts_by_class(row[None], code[None], value)
        for row, code, value in zip(rows, codes, values, strict=True)
    ]
    changed = _changes(parts, values[:, 0], torch.from_numpy(mean).to(values))
    heads, destinations = [head.number] * len(EDITS), [task.destination] * len(EDITS)
    runs = ablated_runs(model.clean_run(head.layer, residual), heads, changed, destinations)
    probability = read_answer(model, runs, torch.from_numpy(task.answers)).probability.double().cpu().numpy()
    masses = torch.cat([part.masses for part in parts]).cpu().numpy()
    table = drops_table(task.name, probability[:, :1] - probability[:, 1:], masses.mean(0), n_resamples, seed)
    sources = top_sources(task, rows.cpu().numpy(), codes.cpu().numpy(), vocabulary.labels)
    return table.assign(top_sources=in_words(sources)), sources


def destination_codes(task: Task, vocabulary: Vocabulary, window: int) -> Codes:
    """Return the class of every edge of the destination, per prompt."""
    contexts = prompt_contexts(task.tokens, vocabulary, window)
    return torch.from_numpy(np.stack([class_matrix(context)[task.destination] for context in contexts]))


def _changes(
    parts: Sequence[Parts], at_bos: Float[Tensor, "prompt d_head"], mean: Float[Tensor, " d_head"]
) -> Float[Tensor, "prompt edit d_head"]:
    edits = [cut_only(name, method) for method, name in EDITS]
    return torch.cat([changes(part, edits, mean, bos) for part, bos in zip(parts, at_bos, strict=True)])


def drops_table(
    task: str,
    drops: Float[ndarray, "prompt edit"],
    masses: Float[ndarray, " class"],
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Lay out the drops of a task's edits; see `task_edges`."""
    low, high = mean_intervals(drops, n_resamples, seed)
    of_class = {ALL: 1.0, **dict(zip(CLASSES, masses.tolist(), strict=True))}
    table = pd.DataFrame(
        {
            "task": task,
            "edges": [name for _, name in EDITS],
            "method": [method.value for method, _ in EDITS],
            "prompts": len(drops),
            "mass": [of_class[name] for _, name in EDITS],
            "drop": drops.mean(0),
            "low": low,
            "high": high,
        }
    )
    whole = table["method"].map(table[table["edges"] == ALL].set_index("method")["drop"])
    table["of_whole"] = (table["drop"] / whole).where(whole > 0)
    table["shows"] = [shows(line.edges, table[table["method"] == line.method]) for line in table.itertuples()]
    return table


def shows(behaviour: str, lines: pd.DataFrame) -> bool:
    """Say whether a task shows a behaviour through a head, from its lines of one method.

    It does when cutting the behaviour's edges costs at least half of what ablating the whole row costs, no
    other class costs as much, and the whole row costs at least 5 points.
    """
    drop = lines.set_index("edges")["drop"]
    if behaviour not in CLASS_BEHAVIOURS or drop[ALL] < LEAST_DROP:
        return False
    others = drop.drop([ALL, behaviour])
    return bool(drop[behaviour] >= LEAST_OF_WHOLE * drop[ALL] and (others < drop[behaviour]).all())


def top_sources(
    task: Task,
    rows: Float[ndarray, "prompt src"],
    codes: UInt8[ndarray, "prompt src"],
    labels: Sequence[str],
) -> pd.DataFrame:
    """Return the positions that get most attention from the destination; see `task_edges`."""
    weight = rows.mean(0)
    places = np.argsort(-weight, kind="stable")[:TOP_SOURCES].tolist()
    return pd.DataFrame(
        {
            "task": task.name,
            "place": range(1, len(places) + 1),
            "position": places,
            "token_label": [labels[task.tokens[0, position]] for position in places],
            "role": [role(task, position) for position in places],
            "edges": [
                CLASSES[Counter(codes[:, position].tolist()).most_common(1)[0][0]] for position in places
            ],
            "weight": weight[places],
        }
    )


def in_words(sources: pd.DataFrame) -> str:
    """Name each source by role and text, with its class and weight."""
    named = [
        f"{line.role + ' ' if line.role else ''}{line.token_label} ({line.edges}) {line.weight:.2f}"
        for line in sources.itertuples()
    ]
    return "; ".join(named)
