"""Prompt templates: texts with slots, which are filled with words that are single tokens.

A template's text is a list of lines, joined with nothing between them, that ends in the answer. `{name}` is a
slot: exactly one token, with the space before it if there is one. Three slots have a role, coloured as in the
post: `{destination}` (orange) is the position whose attention the task is about, `{source}` (red) the token
that it is expected to attend to, `{answer}` (green) the token that should come next.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml
from jaxtyping import Int
from numpy import ndarray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from polyhead.errors import PolyheadError
from polyhead.files import read_json
from polyhead.model.shape import shape_of
from polyhead.model.vocabulary import Vocabulary, open_vocabulary

ROLE_NAMES = {
    "destination": "destination",
    "source": "expected source",
    "answer": "answer",
    "slot": "random word",
}
"""How figures and listings name what a position of a task is."""
ROLES = ("destination", "source", "answer")
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""A loader for plain data; that written in C is fast enough for very long lines."""
DRAWS_PER_PROMPT = 200
SURROUNDINGS = 5
SLOT = re.compile(r"\{(\w+)\}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _rows(value: Any) -> Any:
    """Turn a list of words into a list of rows with one word each."""
    return [[row] if isinstance(row, str) else row for row in value] if isinstance(value, list) else value


Row = Annotated[list[str], Field(min_length=1)]
Choice = str | Annotated[list[Row], BeforeValidator(_rows), Field(min_length=1)]
"""What fills a slot, or several slots together: a list of words (or rows), or the name of a word list."""


class Variant(_Part):
    """One text of a template, and slots that only this text has."""

    lines: Annotated[list[str], Field(min_length=1)]
    slots: dict[str, Choice] = {}


class Template(_Part):
    """A template as written in the file."""

    title: str
    note: str = ""
    behaviour: Annotated[list[str], Field(min_length=1)]
    prompts: Annotated[int, Field(ge=2)]
    slots: dict[str, Choice] = {}
    variants: Annotated[list[Variant], Field(min_length=1)]


class TemplateFile(_Part):
    """A file of templates, and the word lists that they share; `made` says how the templates came about."""

    made: str = ""
    words: dict[str, list[str]] = {}
    templates: dict[str, Template]


@dataclass(frozen=True)
class Task:
    """A filled template. Positions count from BOS = 0; the answer is what should follow the last token."""

    name: str
    title: str
    behaviour: list[str]
    destination: int
    source: int
    slots: list[int]
    tokens: Int[ndarray, "prompt pos"]
    answers: Int[ndarray, " prompt"]

    def as_json(self) -> dict[str, Any]:
        """Return plain lists, for a file."""
        return asdict(self) | {"tokens": self.tokens.tolist(), "answers": self.answers.tolist()}


def read_task(path: Path | str) -> Task:
    """Read a filled template that was written as JSON."""
    fields = read_json(path)
    return Task(**fields | {"tokens": np.array(fields["tokens"]), "answers": np.array(fields["answers"])})


def role_of(task: Task, position: int) -> str:
    """Return what a position of a task is: destination, attended, answer, slot or nothing."""
    places = {task.destination: "destination", task.source: "source", task.tokens.shape[1]: "answer"}
    return places.get(position, "slot" if position in task.slots else "")


def read_templates(path: Path | str, behaviours: Collection[str] = ()) -> TemplateFile:
    """Read a file of templates and check all that can be checked without a tokenizer.

    Args:
        path: the YAML file.
        behaviours: the names that a template's `behaviour` may have; empty: any.

    Raises:
        PolyheadError: not readable, an unknown key, an unknown slot or word list, a role missing.
    """
    try:
        file = TemplateFile.model_validate(yaml.load(Path(path).read_text(encoding="utf-8"), YAML_LOADER))
        templates = file.templates.items()
        problems = [line for name, one in templates for line in _misfits(name, one, file, behaviours)]
    except (OSError, yaml.YAMLError) as error:
        raise PolyheadError(f"cannot read the templates {path}: {error}") from None
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    if problems:
        raise PolyheadError("\n  ".join([f"the templates {path} are not well formed:", *problems]))
    return file


def fill(name: str, file: TemplateFile, vocabulary: Vocabulary, n_context: int, seed: int) -> Task:
    """Fill a template with random words; all prompts differ, and have the same slots at the same positions.

    Raises:
        PolyheadError: no such template, or it cannot be filled; names template, slot, word and its tokens.
    """
    if name not in file.templates:
        raise PolyheadError(f"no template {name!r}; there are {', '.join(sorted(file.templates))}")
    template = file.templates[name]
    filler = _Filler(name, template, file.words, vocabulary)
    if problems := list(dict.fromkeys(filler.bad_words())):
        raise PolyheadError("\n  ".join([f"template {name!r} cannot be filled:", *problems]))
    prompts = list(filler.prompts(np.random.default_rng([seed, zlib.crc32(name.encode())])))
    return _assemble(name, template, prompts, vocabulary, n_context)


def fill_tasks(
    file: TemplateFile, names: Iterable[str], model: Path | str, seed: int
) -> dict[str, Task | PolyheadError]:
    """Fill templates with words that are single tokens of a model's tokenizer.

    Where one cannot be filled, the error that says why stands in its place.
    """
    vocabulary = open_vocabulary(Path(model) / "tokenizer.json")
    n_context = shape_of(read_json(Path(model) / "config.json")).n_ctx
    found: dict[str, Task | PolyheadError] = {}
    for name in names:
        try:
            found[name] = fill(name, file, vocabulary, n_context, seed)
        except PolyheadError as error:
            found[name] = error
    return found


def all_filled(found: Mapping[str, Task | PolyheadError]) -> list[Task]:
    """Return the tasks of `fill_tasks`.

    Raises:
        PolyheadError: says what is wrong with each of the others, and which can be filled.
    """
    tasks = [task for task in found.values() if isinstance(task, Task)]
    if problems := [_begin(str(error)) for error in found.values() if isinstance(error, PolyheadError)]:
        good = ", ".join(task.name for task in tasks)
        rest = f"the others can be filled: ablation: {{tasks: [{good}]}} leaves these out"
        none = "none can be filled with this tokenizer's words; ablation: {tasks: []} leaves them out"
        raise PolyheadError("\n".join([*problems, rest if good else none]))
    return tasks


def _begin(text: str) -> str:
    """Return the first lines of a text, and how many more there are."""
    lines = text.split("\n")
    rest = [f"  … and {len(lines) - 4} more; snakemake list_templates shows all of them"] * (len(lines) > 4)
    return "\n".join([*lines[:4], *rest])


@dataclass(frozen=True)
class _Filled:
    """One filled text: its tokens, and which token each slot became (first occurrence first)."""

    tokens: tuple[int, ...]
    places: dict[str, list[int]]


@dataclass(frozen=True)
class _Filler:
    name: str
    template: Template
    words: Mapping[str, list[str]]
    vocabulary: Vocabulary

    def choices(self, variant: Variant) -> dict[tuple[str, ...], list[list[str]]]:
        """Return, for every group of slots that are filled together, the rows of words to choose from."""
        given = {**self.template.slots, **variant.slots}
        return {
            tuple(_names(key)): _rows(self.words[rows]) if isinstance(rows, str) else rows
            for key, rows in given.items()
            if set(_names(key)) & _used(variant)
        }

    def draw(self, variant: Variant, rng: np.random.Generator, **fixed: str) -> dict[str, str]:
        """Draw words for all slots; a word for a single slot is not used for a second one."""
        chosen = dict(fixed)
        for names, rows in self.choices(variant).items():
            if names[0] not in fixed:
                free = [row for row in rows if len(row) > 1 or row[0] not in chosen.values()] or rows
                chosen |= _assign(names, free[rng.integers(len(free))])
        return chosen

    def place(self, variant: Variant, words: Mapping[str, str], only: set[str] | None = None) -> _Filled:
        """Tokenize a filled text and find the token of each slot, or of the slots in `only`.

        Raises:
            PolyheadError: a slot is not one token.
        """
        text, spans = _insert("".join(variant.lines), words)
        tokens, given = self.vocabulary.encode(text), text.encode()
        pieces = [self.vocabulary.texts[token].encode("utf-8", "surrogateescape") for token in tokens]
        back = b"".join(pieces)
        opened = back == b" " + given  # some tokenizers put a space in front of a text
        if not opened and back != given:
            raise PolyheadError(f"template {self.name!r}: of {text!r} the tokenizer makes {back.decode()!r}")
        ends = np.cumsum([len(piece) for piece in pieces]) - opened
        places: dict[str, list[int]] = {}
        for slot, start, end in spans:
            if only and slot not in only:
                continue
            first, last = np.searchsorted(ends, [start, end - 1], side="right")
            before = given[max(0, ends[first] - len(pieces[first])) : start]
            if first != last or ends[last] != end or before not in (b"", b" "):
                found = " | ".join(self.vocabulary.labels[token] for token in tokens[first : last + 1])
                raise PolyheadError(f"slot {slot!r}, word {words[slot]!r} is not one token here: {found}")
            places.setdefault(slot, []).append(int(first))
        return _Filled(tuple(tokens), places)

    def bad_words(self) -> Iterator[str]:
        """Yield what is wrong with words that fail in several texts with random other words."""
        rng = np.random.default_rng(0)
        for variant in self.template.variants:
            rows = [_assign(names, row) for names, rows in self.choices(variant).items() for row in rows]
            for words in rows:
                fault = ""
                for _ in range(SURROUNDINGS):
                    try:
                        self.place(variant, self.draw(variant, rng, **words), only=set(words))
                        break
                    except PolyheadError as error:
                        fault = str(error)
                else:
                    yield fault

    def prompts(self, rng: np.random.Generator) -> Iterator[_Filled]:
        """Yield the wanted number of distinct prompts, from the template's texts in turn."""
        seen: set[tuple[int, ...]] = set()
        for number in range(self.template.prompts):
            variant = self.template.variants[number % len(self.template.variants)]
            for _ in range(DRAWS_PER_PROMPT):
                with suppress(PolyheadError):  # words that are good alone may merge with each other
                    filled = self.place(variant, self.draw(variant, rng))
                    if filled.tokens[:-1] not in seen:
                        break
            else:
                raise PolyheadError(
                    f"template {self.name!r}: {self.template.prompts} distinct prompts asked for, but its "
                    f"words give only about {len(seen)}; add words, or ask for fewer prompts"
                )
            seen.add(filled.tokens[:-1])
            yield filled


def _assemble(
    name: str, template: Template, prompts: list[_Filled], vocabulary: Vocabulary, n_context: int
) -> Task:
    """Check that slots are at the same positions in all prompts, and stack the prompts, each after a BOS."""
    first = prompts[0]
    roles = {role: first.places[role][0] for role in ROLES}
    for other in prompts:
        found = {role: other.places[role][0] for role in ROLES}
        if len(other.tokens) != len(first.tokens) or found != roles:
            raise PolyheadError(
                f"template {name!r}: its prompts differ in length or in the places of the roles:\n"
                f"  {_show(first, vocabulary)}\n  {_show(other, vocabulary)}"
            )
        if other.tokens[-1] == other.tokens[-2]:
            raise PolyheadError(f"template {name!r}: the answer is already the last token of the prompt")
    if len(first.tokens) > n_context:
        raise PolyheadError(
            f"template {name!r} is {len(first.tokens)} tokens long; the model reads {n_context}"
        )
    stacked = np.array([(vocabulary.bos, *prompt.tokens) for prompt in prompts])
    slots = sorted({1 + i for slot, at in first.places.items() if slot not in ROLES for i in at})
    destination, source = 1 + roles["destination"], 1 + roles["source"]
    place = (template.title, template.behaviour, destination, source, slots)
    return Task(name, *place, stacked[:, :-1], stacked[:, -1])


def _show(filled: _Filled, vocabulary: Vocabulary) -> str:
    return f"{len(filled.tokens)} tokens: " + " | ".join(vocabulary.labels[token] for token in filled.tokens)


def _insert(text: str, words: Mapping[str, str]) -> tuple[str, list[tuple[str, int, int]]]:
    """Return the text with words in place of slots, and (name, start, end) of each slot in bytes."""
    built, spans, last = "", [], 0
    for match in SLOT.finditer(text):
        built += text[last : match.start()]
        start = len(built.encode())
        built += words[match[1]]
        spans.append((match[1], start, len(built.encode())))
        last = match.end()
    return built + text[last:], spans


def _assign(names: Sequence[str], row: list[str]) -> dict[str, str]:
    """Map the names to the words of the row; a row of one word goes to all names."""
    return dict(zip(names, row * len(names) if len(row) == 1 else row, strict=True))


def _names(key: str) -> list[str]:
    return [name.strip() for name in key.split(",")]


def _used(variant: Variant) -> set[str]:
    return set(SLOT.findall("".join(variant.lines)))


def _misfits(name: str, template: Template, file: TemplateFile, behaviours: Collection[str]) -> Iterator[str]:
    """List what is wrong with the behaviours, texts and slots of a template, without a tokenizer."""
    for behaviour in template.behaviour:
        if behaviours and behaviour not in behaviours:
            yield f"{name}: unknown behaviour {behaviour!r}; there are {', '.join(behaviours)}"
    for number, variant in enumerate(template.variants, 1):
        where = f"{name}, variant {number}"
        text, given = "".join(variant.lines), {**template.slots, **variant.slots}
        for key, rows in given.items():
            if isinstance(rows, str) and rows not in file.words:
                yield f"{where}: slot {key!r} names the word list {rows!r}; there are {', '.join(file.words)}"
            elif not isinstance(rows, str) and any(len(row) not in (1, len(_names(key))) for row in rows):
                yield f"{where}: slots {key!r} need {len(_names(key))} words in every row"
        for slot in sorted(_used(variant) - {slot for key in given for slot in _names(key)}):
            yield f"{where}: {{{slot}}} is in the text, but there are no words for it"
        for role in ROLES:
            if text.count(f"{{{role}}}") != 1:
                yield f"{where}: {{{role}}} must be in the text exactly once"
        if 0 <= text.find("{destination}") < text.find("{source}"):
            yield f"{where}: {{source}} comes after {{destination}}, which cannot attend to it"
        if not text.endswith("{answer}"):
            yield f"{where}: the text must end in {{answer}}"
