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
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from polyhead.errors import PolyheadError
from polyhead.models import Shape, read_shape

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class Section(BaseModel):
    """A part of the config: unknown keys are refused, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusConfig(Section):
    """Where prompts come from: `<path>/<split>.parquet`, packed rows of tokens that begin with BOS."""

    path: str = "resources/corpus"
    split: Name = "held_out"


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
    templates: str = "config/templates.yaml"
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
    model: str = "resources/reference-model"
    corpus: CorpusConfig = CorpusConfig()
    prompts: Annotated[int, Field(ge=1)] = 5000
    context: Annotated[int, Field(ge=2)] = 256
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    head: Annotated[list[str | int | float], BeforeValidator(_as_list), Field(min_length=1)] = ["1.4"]
    previous_window: Annotated[int, Field(ge=1, le=64)] = 4
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.95
    taxonomies: Annotated[list[Literal["post", "extended"]], Field(min_length=1)] = ["post", "extended"]
    shard_prompts: Annotated[int, Field(ge=1)] = 500
    bootstrap: Annotated[int, Field(ge=10)] = 1000
    destination_tokens: DestinationTokens = DestinationTokens()
    examples: ExamplesConfig = ExamplesConfig()
    ablation: AblationConfig = AblationConfig()
    report: ReportConfig = ReportConfig()


def load_study(config: Mapping[str, Any], checkout: Path | str = ".") -> StudyConfig:
    """Check a merged config against the schema and against the model it names.

    Paths that do not exist in the working directory are looked for in `checkout`, so that a study can be run
    from any folder. The returned study has its heads written as `"<layer>.<head>"`, in order, each once.

    Raises:
        PolyheadError: all problems at once: key, value given, what is allowed, nearest spelling.
    """
    try:
        study = _locate(StudyConfig.model_validate(dict(config)), Path(checkout))
    except ValidationError as error:
        raise PolyheadError(_report([_explain(problem) for problem in error.errors()])) from None
    shape = read_shape(study.model)
    if problems := _against_model(study, shape):
        raise PolyheadError(_report(problems))
    return study.model_copy(update={"head": chosen_heads(study.head, shape)})


def _locate(study: StudyConfig, checkout: Path) -> StudyConfig:
    """Point the study's paths to the checkout where the working directory does not have them."""

    def find(path: Any) -> Any:
        if not isinstance(path, str) or Path(path).exists() or not (checkout / path).exists():
            return path
        return os.path.relpath(checkout / path)

    corpus = study.corpus.model_copy(update={"path": find(study.corpus.path)})
    ablation = study.ablation.model_copy(update={"templates": find(study.ablation.templates)})
    return study.model_copy(update={"model": find(study.model), "corpus": corpus, "ablation": ablation})


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
            f"context: {study.context} given; the model {study.model} reads at most {shape.n_ctx}"
        )
    try:
        chosen_heads(study.head, shape)
    except PolyheadError as error:
        problems.append(str(error))
    split = Path(study.corpus.path) / f"{study.corpus.split}.parquet"
    if not split.is_file():
        found = ", ".join(sorted(p.stem for p in split.parent.glob("*.parquet"))) or "none"
        problems.append(f"corpus.split: {split} does not exist; splits found there: {found}")
    if study.ablation.tasks and not Path(study.ablation.templates).is_file():
        problems.append(f"ablation.templates: {study.ablation.templates} does not exist")
    return problems


def _explain(problem: Mapping[str, Any]) -> str:
    """Say one pydantic error in the user's words."""
    where = [str(part) for part in problem["loc"]]
    if problem["type"] == "extra_forbidden":
        near = get_close_matches(where[-1], _keys(where[:-1]), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"allowed here: {', '.join(_keys(where[:-1]))}"
        return f"{'.'.join(where)}: unknown key; {hint}"
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{'.'.join(where)}: {problem['input']!r} given; {message}"


def _keys(path: list[str]) -> list[str]:
    """Return the keys allowed in the section at `path`."""
    section: type[BaseModel] = StudyConfig
    for part in path:
        section = section.model_fields[part].annotation  # type: ignore[assignment]
    return sorted(section.model_fields)


def _report(problems: list[str]) -> str:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return f"the config has {count}; nothing was run:\n" + "\n".join(f"  {line}" for line in problems)


if __name__ == "__main__":
    import json

    print(json.dumps(StudyConfig.model_json_schema(), indent=2, ensure_ascii=False))
