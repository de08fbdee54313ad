"""The recipe: every choice that makes the reference model, read from one YAML file."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polyhead.errors import PolyheadError

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A section of the recipe. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusRecipe(Section):
    """Which documents are read and which are dropped; lengths in characters, locks beside the recipe."""

    lock: str
    old_lock: str
    smallest_document: Positive
    largest_document: Positive
    near_duplicate_similarity: Share
    cluster_similarity: Share
    permutations: Positive
    held_out_one_in: Positive
    shipped_sequences: Positive
    seed: int


class TokenizerRecipe(Section):
    """Size of the vocabulary and how much text its merges are learned from."""

    vocabulary: Positive
    sample_characters: Positive


class ModelRecipe(Section):
    """Shape of the transformer."""

    layers: Positive
    heads: Positive
    d_model: Positive
    d_head: Positive
    context: Positive


class TrainingRecipe(Section):
    """Device, batch, budget (tokens) and optimisers. A key more or less changes every recipe's hash."""

    device: Literal["cpu", "cuda"]
    precision: Literal["auto", "float32", "bfloat16"]
    compile: bool
    tokens: Positive
    tokens_per_step: Positive
    sequences_per_pass: Positive
    warm_up_steps: int
    decay_share: Share
    optimiser: Literal["muon", "adamw"]
    muon_rate: Rate
    muon_momentum: Rate
    query_key_factor: Rate
    weight_decay: Rate
    adam_rate: Rate
    adam_betas: Annotated[list[Share], Field(min_length=2, max_length=2)]
    entropy_penalty: Rate
    sinusoids: Rate
    seed: int
    checkpoint_seconds: int
    evaluate_tokens: Positive


class EvaluationRecipe(Section):
    """How many held-out sequences the loss is over and heads are read on, by which window and threshold.

    `study` are keys of a study's config, for the study that chooses a model's head.
    """

    loss_sequences: Positive
    prompts: Positive
    previous_window: Positive
    threshold: Share
    study: dict[str, Any]


class Recipe(Section):
    """The whole recipe, section by section; of the runs in `shipped_from` one is shipped."""

    corpus: CorpusRecipe
    tokenizer: TokenizerRecipe
    model: ModelRecipe
    training: TrainingRecipe
    runs: dict[str, dict[str, dict[str, Any]]]
    shipped_from: list[str]
    compared: list[str]
    evaluation: EvaluationRecipe


def load_recipe(path: Path | str, run: str | None = None) -> Recipe:
    """Read a recipe, with what one of its runs changes in it.

    Raises:
        PolyheadError: names every key that is missing, unknown or of a wrong value, or an unknown run.
    """
    given = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    if run is not None:
        if run not in given["runs"]:
            raise PolyheadError(f"{path}: no run is called {run!r}; there are {', '.join(given['runs'])}")
        for section, changes in given["runs"][run].items():
            given[section] = {**given[section], **changes}
    try:
        return Recipe.model_validate(given)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise PolyheadError("\n".join([f"{path}: the recipe is not well formed:", *lines])) from None
