"""The recipe: every choice that makes the reference model, read from one YAML file."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from polyhead.errors import PolyheadError

CHECKED = ConfigDict(extra="forbid")
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, config=CHECKED)
class CorpusRecipe:
    """Which documents are read and which are dropped; lengths in characters."""

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


@dataclass(frozen=True, config=CHECKED)
class TokenizerRecipe:
    """Size of the vocabulary and how much text its merges are learned from."""

    vocabulary: Positive
    sample_characters: Positive


@dataclass(frozen=True, config=CHECKED)
class ModelRecipe:
    """Shape of the transformer."""

    layers: Positive
    heads: Positive
    d_model: Positive
    d_head: Positive
    context: Positive


@dataclass(frozen=True, config=CHECKED)
class TrainingRecipe:
    """Device, batch, budget (tokens) and optimisers."""

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


@dataclass(frozen=True, config=CHECKED)
class EvaluationRecipe:
    """How much the heads are measured on, by which window and threshold, and the templates' file."""

    prompts: Positive
    repeated_prompts: Positive
    repeated_tokens: Positive
    previous_window: Positive
    threshold: Share
    templates: str
    seed: int


@dataclass(frozen=True, config=CHECKED)
class HeadTargetsRecipe:
    """What a study of the model should find of its head; see `polyhead.training.targets`."""

    layers: list[int]
    named: Share
    behaviours: int
    drop: Share
    through: Share
    elsewhere: Share


@dataclass(frozen=True, config=CHECKED)
class TargetsRecipe:
    """What the model should reach; see `polyhead.training.targets`."""

    bits_per_byte: float
    induction_repeated: float
    previous: float
    families: list[str]
    task_top1: Share
    head: HeadTargetsRecipe


@dataclass(frozen=True, config=CHECKED)
class Recipe:
    """The whole recipe, section by section."""

    corpus: CorpusRecipe
    tokenizer: TokenizerRecipe
    model: ModelRecipe
    training: TrainingRecipe
    runs: dict[str, dict[str, dict[str, Any]]]
    evaluation: EvaluationRecipe
    targets: TargetsRecipe


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
    return checked(f"{path}", Recipe, given)


def checked(where: str, kind: Any, given: Any) -> Any:
    """Return what a mapping says as a recipe or a section of one.

    Raises:
        PolyheadError: names every key that is missing, unknown or of a wrong value.
    """
    try:
        return TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        lines = [f"  {_explained(problem)}" for problem in error.errors()]
        raise PolyheadError("\n".join([f"{where}: the recipe is not well formed:", *lines])) from None


def _explained(problem: Any) -> str:
    key = ".".join(map(str, problem["loc"]))
    match problem["type"]:
        case "missing":
            return f"{key}: missing"
        case "unexpected_keyword_argument":
            return f"{key}: unknown key"
        case "dataclass_type":
            return f"{key}: its keys are missing"
    return f"{key}: {problem['input']!r} given; {problem['msg'][0].lower()}{problem['msg'][1:]}"
