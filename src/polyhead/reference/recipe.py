"""The recipe: every choice that makes the reference model, read from one YAML file."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from polyhead.errors import PolyheadError

Section = TypeVar("Section")


@dataclass(frozen=True)
class CorpusRecipe:
    """Which documents are read and which are dropped; lengths in characters."""

    lock: str
    standard_library: bool
    smallest_document: int
    largest_document: int
    near_duplicate_similarity: float
    permutations: int
    held_out_one_in: int
    shipped_rows: int


@dataclass(frozen=True)
class TokenizerRecipe:
    """Size of the vocabulary and how much text its merges are learned from."""

    vocabulary: int
    sample_characters: int


@dataclass(frozen=True)
class ModelRecipe:
    """Shape of the transformer."""

    layers: int
    heads: int
    d_model: int
    d_head: int
    context: int


@dataclass(frozen=True)
class TrainingRecipe:
    """Where it begins, device, batch, budget (tokens) and optimisers."""

    go_on_from: str
    device: str
    precision: str
    compile: bool
    tokens: int
    tokens_per_step: int
    rows_per_pass: int
    warm_up_steps: int
    decay_share: float
    optimiser: str
    muon_rate: float
    muon_momentum: float
    query_key_factor: float
    weight_decay: float
    adam_rate: float
    adam_betas: list[float]
    seed: int
    checkpoint_seconds: int
    evaluate_tokens: int


@dataclass(frozen=True)
class EvaluationRecipe:
    """How much the heads are measured on, by which window and threshold, and the templates' file."""

    prompts: int
    repeated_prompts: int
    repeated_tokens: int
    previous_window: int
    threshold: float
    templates: str
    seed: int


@dataclass(frozen=True)
class TargetsRecipe:
    """What the model should reach; see `polyhead.reference.targets`."""

    bits_per_byte: float
    induction_repeated: float
    previous: float
    families: list[str]
    task_top1: float
    labels: int
    label_share: float
    unknown: float
    tasks: int
    drop: float


@dataclass(frozen=True)
class ComparisonRecipe:
    """Short trainings: how long each, and what each changes in the training section."""

    seconds: int
    variants: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class CardRecipe:
    """What the card tells of the training beyond the recipe: where it did not go by it from start to end."""

    history: list[str]


@dataclass(frozen=True)
class Recipe:
    """The whole recipe, section by section."""

    corpus: CorpusRecipe
    tokenizer: TokenizerRecipe
    model: ModelRecipe
    training: TrainingRecipe
    evaluation: EvaluationRecipe
    targets: TargetsRecipe
    comparison: ComparisonRecipe
    card: CardRecipe


def load_recipe(path: Path | str) -> Recipe:
    """Read a recipe. Raises PolyheadError naming every missing or unknown key."""
    given = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    sections = {field.name: field.type for field in fields(Recipe)}
    _check_keys(f"{path}", given, sections)
    return Recipe(**{name: _section(f"{path}: {name}", kind, given[name]) for name, kind in sections.items()})


def _section(where: str, kind: type[Section], given: dict[str, Any]) -> Section:
    _check_keys(where, given, [field.name for field in fields(kind)])
    return kind(**given)


def _check_keys(where: str, given: Any, wanted: Any) -> None:
    if not isinstance(given, dict):
        raise PolyheadError(f"{where}: expected the keys {', '.join(wanted)}")
    missing, unknown = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if missing or unknown:
        problems = [f"missing {key!r}" for key in missing] + [f"unknown {key!r}" for key in unknown]
        raise PolyheadError(f"{where}: {', '.join(problems)}; the keys are {', '.join(wanted)}")
