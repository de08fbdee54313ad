"""Short trainings side by side: each variant of the recipe from scratch, for the same time."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import UInt16
from numpy import ndarray

from polyhead.training.probes import held_out_loss
from polyhead.training.recipe import Recipe
from polyhead.training.train import (
    PROBE_SEQUENCES,
    batch_at,
    compiled_loss,
    native,
    one_step,
    scheduled,
    start,
    workers,
)

WARM_UP_STEPS = 3  # not timed: the first ones compile


def compare(
    recipe: Recipe,
    tokenizer: Path,
    sequences: UInt16[ndarray, "sequence pos"],
    held_out: UInt16[ndarray, "held_out_sequence pos"],
) -> pd.DataFrame:
    """Return one line per variant: tokens, tokens per second, held-out loss after `comparison.seconds`."""
    variants = recipe.comparison.variants.items()
    lines = [
        {"variant": name, **short_run(with_changes(recipe, changes), tokenizer, sequences, held_out)}
        for name, changes in variants
    ]
    return pd.DataFrame(lines)


def with_changes(recipe: Recipe, changes: dict) -> Recipe:
    """Return the recipe with some training keys changed."""
    return replace(recipe, training=replace(recipe.training, **changes))


def short_run(
    recipe: Recipe,
    tokenizer: Path,
    sequences: UInt16[ndarray, "sequence pos"],
    held_out: UInt16[ndarray, "held_out_sequence pos"],
) -> dict[str, int | float]:
    """Train from scratch for the seconds of a comparison, and measure the loss on a few held-out sequences.

    The rates go through the recipe's whole schedule, warm-up to zero, in that time.
    """
    torch.compiler.reset()
    training = start(recipe, tokenizer, sequences, Path("no checkpoint"))
    loss_of = compiled_loss(training.model, recipe)
    begun = time.monotonic()
    with workers(recipe.training) as pool:
        for share in _shares(recipe.comparison.seconds):
            if training.step == WARM_UP_STEPS:
                begun = time.monotonic()
            factor = scheduled(training, share * training.steps)
            one_step(training, loss_of, batch_at(sequences, training.step, recipe), pool, factor)
            training.step += 1
    seconds = time.monotonic() - begun
    timed = training.tokens - WARM_UP_STEPS * recipe.training.tokens_per_step
    nats, _ = held_out_loss(native(training.model, recipe.model.heads), held_out[:PROBE_SEQUENCES])
    return {"tokens": training.tokens, "tokens_per_second": timed / seconds, "held_out_loss": nats}


def _shares(seconds: float) -> Iterator[float]:
    """Yield the share of `seconds` that is over, once per step that begins in them; first untimed steps."""
    yield from [0.0] * WARM_UP_STEPS
    begun = time.monotonic()
    while (share := (time.monotonic() - begun) / seconds) < 1:
        yield share
