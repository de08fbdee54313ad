"""The evaluation that the model card prints: loss, what every head does, and the template tasks."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from jaxtyping import Int
from numpy import ndarray

from polyhead.ablation.patching import Method, ablate
from polyhead.attention.labels import Definitions
from polyhead.model.head import all_heads
from polyhead.model.opening import open_native
from polyhead.model.transformer import AttentionOnly
from polyhead.model.vocabulary import Vocabulary, open_vocabulary
from polyhead.prompts.templates import Task, fill, read_templates
from polyhead.training.probes import (
    all_tokens,
    head_evidence,
    held_out_loss,
    known_tokens,
    periods,
    repeated_induction,
    repeated_tokens,
    text_bytes,
)
from polyhead.training.recipe import EvaluationRecipe

NATS_PER_BIT = float(np.log(2))


def evaluate(
    model_directory: Path, sequences_path: Path, log_path: Path, recipe: EvaluationRecipe
) -> dict[str, Any]:
    """Measure an exported model on held-out sequences; the result is what evaluation.json holds."""
    model = open_native(model_directory)
    vocabulary = open_vocabulary(model_directory / "tokenizer.json")
    sequences = np.array(
        pq.read_table(sequences_path, columns=["tokens"])["tokens"].to_pylist(), dtype=np.int32
    )
    log = pd.read_csv(log_path).iloc[-1]
    tasks = {task.name: task for task in filled_tasks(recipe, vocabulary, model.n_context)}
    effects = {name: task_effects(model, task) for name, task in tasks.items()}
    heads = evaluated_heads(model, vocabulary, sequences, recipe)
    for name, effect in effects.items():
        for head, cost in effect.pop("ablated").items():
            heads[head].setdefault("ablated", {})[name] = cost
    return {
        "tokens_seen": int(log["tokens"]),
        "training_seconds": float(log["seconds"]),
        "held_out": held_out(model, vocabulary, sequences),
        "threshold": recipe.threshold,
        "previous_window": recipe.previous_window,
        "prompts": min(recipe.prompts, len(sequences)),
        "heads": heads,
        "tasks": effects,
    }


def held_out(
    model: AttentionOnly, vocabulary: Vocabulary, sequences: Int[ndarray, "sequence pos"]
) -> dict[str, int | float]:
    """Return the loss over all sequences, per token and per byte of the text they stand for.

    `every_100th_row` is the loss on those sequences alone, quick to check.
    """
    nats, top1 = held_out_loss(model, sequences)
    tokens = sequences[:, 1:].size
    return {
        "nats_per_token": nats,
        "bits_per_byte": nats / NATS_PER_BIT * tokens / text_bytes(vocabulary, sequences),
        "top1": top1,
        "rows": len(sequences),
        "tokens": tokens,
        "every_100th_row": held_out_loss(model, sequences[::100])[0],
    }


def evaluated_heads(
    model: AttentionOnly,
    vocabulary: Vocabulary,
    sequences: Int[ndarray, "sequence pos"],
    recipe: EvaluationRecipe,
) -> dict[str, dict[str, Any]]:
    """Return the evidence on every head, by its name "<layer>.<head>".

    `induction_repeated` is the score on a short sequence of random tokens that occur in the sequences,
    `induction_repeated_long` on half a context of them, `induction_repeated_any` on half a context of any.
    """
    known = known_tokens(sequences, vocabulary)
    short, long = periods(recipe.repeated_tokens, model.n_context)

    def repeated(period: int, tokens: Int[ndarray, " token"]) -> Int[ndarray, "prompt pos"]:
        return repeated_tokens(recipe.repeated_prompts, period, tokens, vocabulary.bos, recipe.seed)

    chosen = np.random.default_rng(recipe.seed).permutation(len(sequences))[: recipe.prompts]
    definitions = Definitions(recipe.previous_window, recipe.threshold)
    table = head_evidence(model, vocabulary, sequences[chosen], repeated(short, known), definitions)
    lines = table.assign(
        induction_repeated_long=repeated_induction(model, repeated(long, known)),
        induction_repeated_any=repeated_induction(model, repeated(long, all_tokens(vocabulary))),
    ).to_dict("records")
    return {line.pop("head"): line for line in lines}


def filled_tasks(recipe: EvaluationRecipe, vocabulary: Vocabulary, n_context: int) -> list[Task]:
    """Fill every template of the recipe's file."""
    file = read_templates(recipe.templates)
    return [fill(name, file, vocabulary, n_context, recipe.seed) for name in file.templates]


def task_effects(model: AttentionOnly, task: Task) -> dict[str, Any]:
    """Return clean accuracy on a task, and what BOS-ablating each head at its destination leaves of it."""
    tokens, answers = torch.from_numpy(task.tokens).long(), torch.from_numpy(task.answers).long()
    ablated = {}
    for head in all_heads(model.n_layers, model.n_heads):
        outcome = ablate(model, tokens, answers, head, Method.BOS, destinations=[task.destination])
        top1 = (outcome.rank == 0).double().mean(0)
        probability = outcome.probability.double().mean(0)
        ablated[str(head)] = {"top1": float(top1[1]), "probability": float(probability[1])}
    clean = {"top1": float(top1[0]), "probability": float(probability[0]), "prompts": len(answers)}
    return {**clean, "ablated": ablated}
