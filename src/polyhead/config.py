"""The study's config: every key, its range, and errors a user can act on.

`workflow/schemas/config.schema.json` is this model written out as JSON Schema, for editors; a test keeps them
equal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
)

from polyhead.errors import PolyheadError
from polyhead.files import read_json
from polyhead.models import Shape, is_hugging_face, read_shape, shape_of

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


def _plain(path: str) -> str:
    """Refuse a path that Snakemake would read as a pattern, or that a terminal would obey."""
    if re.search(r"[{}\x00-\x1f\x7f]", path):
        raise ValueError("a path with braces or control characters cannot be used; rename or link it")
    return path


Location = Annotated[str, AfterValidator(_plain)]


MODEL_FORMS = ("<directory>", "<section>")
"""The two ways to write the key `model`; they have no place in error messages."""


class Section(BaseModel):
    """A part of the config: unknown keys are refused, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RepositoryConfig(Section):
    """A repository on the Hugging Face hub at a revision, or a local directory with the same files."""

    repo: Location
    revision: str = "main"
    sha256: dict[str, Sha256] = {}


class ShapeConfig(Section):
    """A model's sizes, so that a study can be checked before the model is downloaded."""

    n_layers: Annotated[int, Field(ge=1)]
    n_heads: Annotated[int, Field(ge=1)]
    n_ctx: Annotated[int, Field(ge=2)]
    d_vocab: Annotated[int, Field(ge=3)]
    attn_only: bool = True


class ModelConfig(RepositoryConfig):
    """A model to fetch: a TransformerLens checkpoint or a Hugging Face model, and its tokenizer.

    `weights` is a pattern; `tokenizer` is the model's own where it names none.
    """

    weights: str | None = None
    tokenizer: RepositoryConfig | None = None
    shape: ShapeConfig | None = None


class CorpusConfig(Section):
    """Where prompts come from: packed rows of tokens.

    `<path>/<split>.parquet`, rows that begin with BOS; or, where `repo` is given, a data set on the hub (or a
    local directory) with parquet parts `<split>*.parquet`.
    """

    path: Location = "resources/corpus"
    split: Name = "held_out"
    repo: Location | None = None
    revision: str = "main"
    column: str = "tokens"
    rows: Annotated[int, Field(ge=1)] | None = None
    sha256: dict[str, Sha256] = {}

    @property
    def where(self) -> str:
        """The corpus in a few words."""
        return f"{self.split} of {self.repo or self.path}"


class SampleConfig(Section):
    """How prompts are drawn from a data set on the hub: about `megabytes` of it are read, unless `exact`.

    `exact` reads every part, so that any set of rows is equally likely. A corpus on this machine is always
    drawn from exactly.
    """

    exact: bool = False
    megabytes: Annotated[float, Field(gt=0)] = 300


class DestinationTokens(Section):
    """Which destination tokens the figures show, beside `all`."""

    named: list[str] = ["⏎[·×3]", "⏎[·×7]", "·R", "width", "dict"]
    frequent: Annotated[int, Field(ge=0, le=20)] = 3
    unlike: Annotated[int, Field(ge=0, le=20)] = 2
    minimum_rows: Annotated[int, Field(ge=1)] = 200


class ExamplesConfig(Section):
    """How many example rows are drawn for each shown destination token, and how much text around them."""

    per_token: Annotated[int, Field(ge=0, le=20)] = 3
    tokens_before: Annotated[int, Field(ge=5, le=512)] = 90


AblationKind = Literal["bos", "zero", "mean", "resample"]


class AblationConfig(Section):
    """Section 2: which templates, and what replaces the pattern."""

    kinds: Annotated[list[AblationKind], Field(min_length=1)] = ["bos"]
    templates: Location = "config/templates.yaml"
    tasks: list[Name] = []
    controls: bool = True
    real_text_prompts: Annotated[int, Field(ge=0)] = 500


class ReportConfig(Section):
    """How the report is rendered."""

    renderer: Literal["auto", "quarto", "pandoc"] = "auto"


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class StudyConfig(Section):
    """One study: a model, a head (or several, or all), prompts, definitions."""

    study: Name = "reference"
    model: Annotated[
        Annotated[Location, Tag(MODEL_FORMS[0])] | Annotated[ModelConfig, Tag(MODEL_FORMS[1])],
        Discriminator(lambda value: MODEL_FORMS[not isinstance(value, str)]),
    ] = "resources/reference-model"
    corpus: CorpusConfig = CorpusConfig()
    sample: SampleConfig = SampleConfig()
    prompts: Annotated[int, Field(ge=1)] = 5000
    context: Annotated[int, Field(ge=2)] = 256
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    head: Annotated[list[str | int | float], BeforeValidator(_as_list), Field(min_length=1)] = ["1.4"]
    previous_window: Annotated[int, Field(ge=1, le=64)] = 4
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.95
    taxonomies: Annotated[list[Literal["post", "extended"]], Field(min_length=1)] = ["post", "extended"]
    shard_prompts: Annotated[int, Field(ge=1)] = 500
    bootstrap: Annotated[int, Field(ge=10)] = 1000
    atlas_prompts: Annotated[int, Field(ge=0)] = 500
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    destination_tokens: DestinationTokens = DestinationTokens()
    examples: ExamplesConfig = ExamplesConfig()
    ablation: AblationConfig = AblationConfig()
    report: ReportConfig = ReportConfig()


def load_study(config: Mapping[str, Any], checkout: Path | str = ".") -> StudyConfig:
    """Check a merged config against the schema and against the model it names.

    Paths that do not exist in the working directory are looked for in `checkout`, so that a study can be run
    from any folder. The returned study has its heads written as `"<layer>.<head>"`, in order, each once. Its
    model is the directory that the stages read: that of a model to fetch is `results/<study>/model`.

    Raises:
        PolyheadError: all problems at once: key, value given, what is allowed, nearest spelling.
    """
    study = _validated(config, checkout)
    source = _source(study)
    shape = _planned_shape(source) if source else read_shape(str(study.model))
    if problems := _against_model(study, shape):
        raise PolyheadError(_report(problems))
    model = f"results/{study.study}/model" if source else study.model
    return study.model_copy(update={"head": chosen_heads(study.head, shape), "model": model})


def model_source(config: Mapping[str, Any], checkout: Path | str = ".") -> ModelConfig | None:
    """Return where the study's model must be fetched from; `None` where its directory is read as it is.

    Raises:
        PolyheadError: see `load_study`.
    """
    return _source(_validated(config, checkout))


def _validated(config: Mapping[str, Any], checkout: Path | str) -> StudyConfig:
    try:
        return _locate(StudyConfig.model_validate(dict(config)), Path(checkout))
    except ValidationError as error:
        raise PolyheadError(_report([_explain(problem) for problem in error.errors()])) from None


def _source(study: StudyConfig) -> ModelConfig | None:
    if isinstance(study.model, ModelConfig):
        return study.model
    return ModelConfig(repo=study.model) if is_hugging_face(study.model) else None


def _planned_shape(source: ModelConfig) -> Shape:
    """Return the sizes of a model that is not here yet: from a local directory, or from the config."""
    local = Path(source.repo) / "config.json"
    if local.is_file():
        return shape_of(read_json(local))
    if source.shape is None:
        raise PolyheadError(
            _report([f"model.shape: missing; {source.repo} is not a directory, so its sizes must be given"])
        )
    return Shape(**source.shape.model_dump())


def _locate(study: StudyConfig, checkout: Path) -> StudyConfig:
    """Point the study's paths to the checkout where the working directory does not have them."""

    def find(path: Any) -> Any:
        if not isinstance(path, str) or Path(path).exists() or not (checkout / path).exists():
            return path
        return os.path.relpath(checkout / path)

    places = {"path": find(study.corpus.path), "repo": find(study.corpus.repo)}
    corpus = study.corpus.model_copy(update=places)
    ablation = study.ablation.model_copy(update={"templates": find(study.ablation.templates)})
    model = study.model
    if isinstance(model, ModelConfig):
        model = model.model_copy(update={"repo": find(model.repo)})
    return study.model_copy(update={"model": find(model), "corpus": corpus, "ablation": ablation})


def chosen_heads(given: list[str | int | float], shape: Shape) -> list[str]:
    """Return the heads a config names as `"<layer>.<head>"`, sorted, each once."""
    if given == ["all"]:
        return [f"{layer}.{head}" for layer in range(shape.n_layers) for head in range(shape.n_heads)]
    pairs = {parse_head(value, shape) for value in given}
    return [f"{layer}.{head}" for layer, head in sorted(pairs)]


def parse_head(value: str | int | float, shape: Shape) -> tuple[int, int]:
    """Read `"1.4"`, `"L1H4"` or an unambiguous 1.4 as (layer, head).

    An unquoted 1.10 reaches us as the number 1.1; where the model has a head 10 the two cannot be told
    apart, so the number is refused.

    Raises:
        PolyheadError: not a head, not in this model, or ambiguous.
    """
    match = re.fullmatch(r"[Ll]?(\d+)(?:\.|[Hh])(\d+)", str(value))
    if match is None:
        raise PolyheadError(f'head: {value!r} is not a head; write "1.4" or "L1H4" (layer, head), or all')
    layer, head = int(match[1]), int(match[2])
    if isinstance(value, float) and 0 < head * 10 < shape.n_heads:
        raise PolyheadError(
            f'head: the number {value} may mean "{layer}.{head}" or "{layer}.{head}0"; put it in quotes'
        )
    if layer >= shape.n_layers or head >= shape.n_heads:
        last = f"{shape.n_layers - 1}.{shape.n_heads - 1}"
        raise PolyheadError(f"head: the model has no head {layer}.{head}; its heads are 0.0 to {last}")
    return layer, head


def _against_model(study: StudyConfig, shape: Shape) -> list[str]:
    problems = []
    if study.context > shape.n_ctx:
        problems.append(
            f"context: {study.context} given; the model {_name(study.model)} reads at most {shape.n_ctx}"
        )
    try:
        chosen_heads(study.head, shape)
    except PolyheadError as error:
        problems.append(str(error))
    split = Path(study.corpus.path) / f"{study.corpus.split}.parquet"
    if not study.corpus.repo and not split.is_file():
        found = ", ".join(sorted(p.stem for p in split.parent.glob("*.parquet"))) or "none"
        problems.append(f"corpus.split: {split} does not exist; splits found there: {found}")
    if (study.ablation.tasks or study.ablation.real_text_prompts) and not shape.attn_only:
        problems.append(
            f"ablation: section 2 ablates attention-only models, and {_name(study.model)} has more than "
            "attention; write ablation: {tasks: [], real_text_prompts: 0}"
        )
    if study.ablation.tasks and not Path(study.ablation.templates).is_file():
        problems.append(f"ablation.templates: {study.ablation.templates} does not exist")
    return problems


def _name(model: str | ModelConfig) -> str:
    return model if isinstance(model, str) else model.repo


def _explain(problem: Mapping[str, Any]) -> str:
    """Say one pydantic error in the user's words."""
    where = [str(part) for part in problem["loc"] if part not in MODEL_FORMS]
    if problem["type"] == "extra_forbidden":
        near = get_close_matches(where[-1], _keys(where[:-1]), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"allowed here: {', '.join(_keys(where[:-1]))}"
        return f"{'.'.join(where)}: unknown key; {hint}"
    if problem["type"] == "missing":
        return f"{'.'.join(where)}: missing"
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{'.'.join(where)}: {problem['input']!r} given; {message}"


def _keys(path: list[str]) -> list[str]:
    """Return the keys allowed in the section at `path`."""
    section: Any = StudyConfig
    for part in path:
        section = _section(section.model_fields[part].annotation)
    return sorted(section.model_fields)


def _section(annotation: Any) -> Any:
    """Return the section among the alternatives of a key's type."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(_section, get_args(annotation))), None)


def _report(problems: list[str]) -> str:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return f"the config has {count}; nothing was run:\n" + "\n".join(f"  {line}" for line in problems)


if __name__ == "__main__":
    import json

    print(json.dumps(StudyConfig.model_json_schema(), indent=2, ensure_ascii=False))
