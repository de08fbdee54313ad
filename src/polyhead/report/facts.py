"""What the report needs to know of a study: where its results lie, its numbers, its config."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from polyhead.files import read_json
from polyhead.report.claims import Line
from polyhead.report.claims_table import read_lines
from polyhead.report.numbers import Numbers, read_numbers
from polyhead.report.published import Comparison, compare, is_published, stand_ins
from polyhead.report.sentences import task_name
from polyhead.report.tables import short_path
from polyhead.report.tasks import tasks_read
from polyhead.style import UNKNOWN, headline_of, is_empty, ordered

REFERENCE, REFERENCE_CORPUS, SELECTION = "reference-model", "corpus", "selection.parquet"
MOST_TASKS = 3
"""Tasks that the main text shows one by one; those after are in the appendix."""
EXAMPLES = 2
"""Examples of each behaviour in the main text; of rows at rest or without a label there is one."""
UNNAMED = ("inactive", UNKNOWN)


@dataclass(frozen=True)
class TaskFacts:
    """What the file of templates says about a task."""

    title: str
    note: str
    behaviours: tuple[str, ...]
    origin: str = ""


@dataclass(frozen=True)
class Study:
    """A study's results, and what the report needs to know about them."""

    folder: Path
    published: Mapping[str, Any]
    facts: Mapping[str, TaskFacts]
    """What each task is about."""
    edited: tuple[str, ...] = ()
    """Tables that were edited by hand, where the report may be made from such."""

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """The study's record of how it was made."""
        return read_json(self.folder / "provenance.json")

    @cached_property
    def numbers(self) -> Numbers:
        """All numbers."""
        return read_numbers(self.folder / "numbers.json")

    @property
    def config(self) -> Mapping[str, Any]:
        """The config as merged."""
        return self.provenance["config"]

    @property
    def head(self) -> str:
        """The head that the report is about: the study's first."""
        return self.config["head"][0]

    @property
    def head_folder(self) -> Path:
        """The folder with the results of that head."""
        return self.folder / "heads" / self.head

    @property
    def taxonomy(self) -> str:
        """The taxonomy of figure 1."""
        return self.config["taxonomies"][0]

    @property
    def dtype(self) -> str:
        """The precision in which the model ran."""
        return self.config.get("dtype", "float32")

    @property
    def tasks(self) -> list[str]:
        """Tasks that were run."""
        return self.numbers.values("task", head=self.head, table="ablation")

    @cached_property
    def read(self) -> list[str]:
        """The tasks that the model does well enough for their ablation to be read."""
        return tasks_read(self.numbers, self.head, self.tasks)[0]

    @property
    def unread(self) -> list[str]:
        """The other tasks."""
        return [task for task in self.tasks if task not in self.read]

    @cached_property
    def main_tasks(self) -> list[str]:
        """The tasks that the main text shows one by one: first the first about each behaviour."""
        first = {self.about(task).behaviours: task for task in reversed(self.read)}
        ranked = sorted(self.read, key=lambda task: task not in first.values())[:MOST_TASKS]
        return [task for task in self.read if task in ranked]

    def has(self, table: str) -> bool:
        """Whether there are numbers of the head from a table."""
        return bool(self.numbers.find(head=self.head, table=table))

    def has_file(self, name: str) -> bool:
        """Whether a file of the study is there."""
        return (self.folder / name).is_file()

    def has_figure(self, name: str) -> bool:
        """Whether the study, or its head, has a figure."""
        return bool(self._figure(name))

    def says(self, name: str) -> str:
        """Return what a figure of the study, or of its head, says it shows: a sentence, or nothing."""
        said = headline_of(figure) if (figure := self._figure(name)) else ""
        return f"{said[0].upper()}{said[1:]}." if said else ""

    def draws(self, name: str) -> bool:
        """Whether a figure shows anything but the reason why there is nothing to draw."""
        return not is_empty(self._figure(name))

    def _figure(self, name: str) -> str:
        """Return a figure of the study, or of its head, as SVG; an empty text if there is none."""
        paths = [place / "figures" / f"{name}.svg" for place in (self.folder, self.head_folder)]
        return next((path.read_text(encoding="utf-8") for path in paths if path.is_file()), "")

    def about(self, task: str) -> TaskFacts:
        """Return what is known of a task: at least its name."""
        return self.facts.get(task, TaskFacts(task_name(task).capitalize(), "", ()))

    def origins(self, tasks: Iterable[str]) -> dict[str, str]:
        """Return where the templates of tasks are from; an empty text where that is not known."""
        return {task: self.about(task).origin for task in tasks}

    @property
    def ablates(self) -> bool:
        """Whether the study ran any part of section 2."""
        return bool(self.tasks) or self.has("real text")

    @cached_property
    def examples(self) -> dict[int, Mapping[str, Any]]:
        """Example rows of the head, by number."""
        path = self.head_folder / "examples.json"
        return dict(enumerate(read_json(path))) if path.is_file() else {}

    @cached_property
    def first_examples(self) -> dict[int, Mapping[str, Any]]:
        """The first examples of each label, for the main text."""
        labels = ordered(example["label"] for example in self.examples.values())
        of_label = {label: [k for k, e in self.examples.items() if e["label"] == label] for label in labels}
        first = [k for name, ks in of_label.items() for k in ks[: 1 if name in UNNAMED else EXAMPLES]]
        return {k: self.examples[k] for k in first}

    @property
    def more_examples(self) -> dict[int, Mapping[str, Any]]:
        """The other examples, for the appendix."""
        return {k: example for k, example in self.examples.items() if k not in self.first_examples}

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """The numbers of the post beside those of the study."""
        behaviours = {task: self.facts[task].behaviours for task in self.tasks if task in self.facts}
        instead = stand_ins(self.published, behaviours)
        return compare(self.published, self.numbers, self.model, self.head, instead)

    @cached_property
    def claims(self) -> list[Line]:
        """What is claimed of a study of this name, and whether it holds; nothing if nothing is."""
        path = self.folder / "claims.csv"
        return read_lines(path) if path.is_file() else []

    @cached_property
    def model(self) -> str:
        """The model's name: the repository it was fetched from, or its directory."""
        source = self.folder / "model" / "source.json"
        return str(read_json(source)["repo"]) if source.is_file() else short_path(self.config["model"])

    @cached_property
    def model_notes(self) -> list[str]:
        """What was said of a model when it was fetched, in sentences."""
        source = self.folder / "model" / "source.json"
        return list(read_json(source).get("notes", [])) if source.is_file() else []

    @cached_property
    def says_sample(self) -> str:
        """How the prompts were drawn, in words."""
        return str(read_json(self.folder / "sampling.json")["says"])

    @property
    def is_reference(self) -> bool:
        """Whether the model is the one that this project trained."""
        return Path(self.config["model"]).name == REFERENCE

    @property
    def of_training(self) -> bool | None:
        """Whether the model was trained on data of the prompts' kind; None where that is not known."""
        corpus = self.config["corpus"]
        if corpus.get("of_training") is not None or corpus.get("repo"):
            return corpus.get("of_training")
        beside = Path(self.config["model"]).with_name(REFERENCE_CORPUS)
        return True if self.is_reference and Path(corpus["path"]) == beside else None

    @property
    def chosen_on_training(self) -> bool:
        """Whether heads were ranked on text of the training split that the reference model comes with."""
        path = self.folder / "selection.json"
        beside = Path(self.config["model"]).with_name(REFERENCE_CORPUS) / SELECTION
        sample = read_json(path)["sample"] if path.is_file() else {}
        return self.is_reference and Path(sample.get("path", "")) == beside

    @property
    def is_published(self) -> bool:
        """Whether this is the head and the model of the post."""
        return is_published(self.published, self.model, self.head)

    @cached_property
    def explored(self) -> dict[str, int]:
        """The prompts of the explorer, and how many tokens of each; none where there is no such page."""
        path = self.head_folder / "explorer_rows.json"
        there = self.has_file("report/explorer.html") and path.is_file()
        return {one["name"]: one["length"] for one in read_json(path)["prompts"]} if there else {}

    def in_explorer(self, prompt: int, position: int) -> bool:
        """Whether a row is in the explorer."""
        return position < self.explored.get(str(prompt), 0)
