"""Scarcity: variants of one recipe that differ in how many heads share the width, and a few probes."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic.dataclasses import dataclass

from polyhead.errors import PolyheadError
from polyhead.model.vocabulary import open_vocabulary
from polyhead.training.export import export
from polyhead.training.packing import read_tokens
from polyhead.training.recipe import (
    CHECKED,
    ModelRecipe,
    Positive,
    Recipe,
    Share,
    TrainingRecipe,
    checked,
    load_recipe,
)
from polyhead.training.train import CHECKPOINT, LOG, start, train

KEYS = ("base", "model", "training", "variants", "probes", "measures")
Section = TypeVar("Section", ModelRecipe, TrainingRecipe)


@dataclass(frozen=True, config=CHECKED)
class Measures:
    """What trained variants are measured on, and how often documents and partitions are drawn."""

    prompts: Positive
    previous_window: Positive
    threshold: Share
    bootstrap: Positive
    partitions: Positive
    seed: int


def load_variants(path: Path | str, base: Path | str | None = None) -> dict[str, Recipe]:
    """Return the whole recipe of every variant, then of every probe, by name.

    `base` is used instead of the base recipe that the file names.

    Raises:
        PolyheadError: a key is missing or unknown, or heads of the given width do not fill the model's.
    """
    given = _read(path)
    shared = load_recipe(base or given["base"])
    shared = replace(
        shared,
        model=changed(f"{path}: model", shared.model, given["model"]),
        training=changed(f"{path}: training", shared.training, given["training"]),
    )
    listed = {**given["variants"], **given["probes"]}
    return {name: _variant(f"{path}: {name}", shared, changes) for name, changes in listed.items()}


def load_measures(path: Path | str) -> Measures:
    """Return how variants are measured. Raises PolyheadError as `load_variants` does."""
    return checked(f"{path}: measures", Measures, _read(path)["measures"])


def _read(path: Path | str) -> dict[str, Any]:
    given = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    if set(given) != set(KEYS):
        raise PolyheadError(f"{path}: the keys are {', '.join(KEYS)}")
    return given


def _variant(where: str, shared: Recipe, changes: dict[str, dict[str, Any]]) -> Recipe:
    if not set(changes) <= {"model", "training"}:
        raise PolyheadError(f"{where}: a variant changes model and training only")
    model = changed(f"{where}: model", shared.model, changes.get("model", {}))
    training = changed(f"{where}: training", shared.training, changes.get("training", {}))
    if model.heads * model.d_head != model.d_model:
        raise PolyheadError(f"{where}: {model.heads} heads of {model.d_head} do not fill {model.d_model}")
    return replace(shared, model=model, training=training)


def changed(where: str, section: Section, changes: dict[str, Any]) -> Section:
    """Return a section with some keys changed. Raises PolyheadError naming unknown keys and wrong values."""
    return checked(where, type(section), {**asdict(section), **changes})


def train_variant(recipe: Recipe, tokenizer: Path, sequences: Path, held_out: Path, folder: Path) -> None:
    """Train a variant, going on from `folder`/checkpoint, and hand it over as `folder`/model."""
    checkpoint, model = folder / "checkpoint", folder / "model"
    tokens = read_tokens(sequences)
    training = start(recipe, tokenizer, tokens, checkpoint)
    train(training, tokens, read_tokens(held_out), open_vocabulary(tokenizer), checkpoint)
    hand_over(recipe, tokenizer, checkpoint, model)


def hand_over(recipe: Recipe, tokenizer: Path, checkpoint: Path, model: Path) -> None:
    """Write a finished training's model directory, its log beside the weights."""
    export(checkpoint / CHECKPOINT, recipe.model, tokenizer, model)
    log = (checkpoint / LOG).read_text(encoding="utf-8")
    (model / "training-log.csv").write_text(log, encoding="utf-8")
