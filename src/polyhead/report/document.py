"""Put a study's numbers, claims and figures into the document in `report/`, and copy what it is rendered with.

The document is Quarto markdown, written by hand, with Jinja's tags as `<< value >>` and `<% statement %>`; the parts of
it are the files `_*.qmd`. Names it can use: what `Values` offers, `claim(label)`, and what `names_of` returns.
"""

from __future__ import annotations

import re
import shutil
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import TemplateError

from polyhead.errors import PolyheadError
from polyhead.files import read_json, write_csv, write_text
from polyhead.report.claims import NOT_ASKED, YES, Book, Claims
from polyhead.report.published import Published, model_name, weights
from polyhead.report.render import SOURCE
from polyhead.report.templating import environment
from polyhead.report.values import BEHAVIOURS, Values, code, escape, listing, spaced
from polyhead.style import headline_of, is_empty

FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold")
TEMPLATE = ".qmd"
POST_TASKS = ("induction", "bigger_indentation", "previous")
REFERENCE = "reference-model"
EXAMPLES = 5
"""Examples in the main text, each of another destination token."""


@dataclass(frozen=True)
class Study:
    """A study's folder, what its record says of it, and its pictures."""

    folder: Path
    head: str

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """The record of how the study was made."""
        return read_json(self.folder / "provenance.json")

    @property
    def config(self) -> Mapping[str, Any]:
        """The config as merged."""
        return self.provenance["config"]

    @property
    def name(self) -> str:
        """The study's name."""
        return self.config["study"]

    @property
    def model(self) -> str:
        """The model's name."""
        return model_name(self.provenance)

    @property
    def is_reference(self) -> bool:
        """Whether the model is the one that this project trained."""
        return Path(self.config["model"]).name == REFERENCE

    @property
    def of_training(self) -> bool | None:
        """Whether the model was trained on text of the prompts' kind; None where that is not known."""
        corpus = self.config["corpus"]
        if corpus.get("of_training") is not None or corpus.get("repo"):
            return corpus.get("of_training")
        own = Path(corpus["path"]) == Path(self.config["model"]).with_name("corpus")
        return True if self.is_reference and own and not corpus.get("text") else None

    @cached_property
    def figures(self) -> dict[str, Path]:
        """The figures of the study and of its head by their names; `example_<number>` for example rows."""
        head = self.folder / "heads" / self.head
        found = {path.stem: path for place in (self.folder, head) for path in (place / "figures").glob("*.svg")}
        return found | {f"example_{path.stem}": path for path in (head / "examples").glob("*.svg")}

    def drawn(self, name: str) -> bool:
        """Whether there is a figure that shows anything but why there is nothing to draw."""
        return name in self.figures and not is_empty(self.figures[name].read_text(encoding="utf-8"))

    def shows(self, name: str) -> str:
        """What a figure says it shows, for those who do not see it: without markup and double quotes."""
        said = headline_of(self.figures[name].read_text(encoding="utf-8"))
        return said.translate(str.maketrans('"', "'", "*`\\"))

    @cached_property
    def examples(self) -> list[dict[str, Any]]:
        """Example rows, those of the main text first: one of each destination token."""
        path = self.folder / "heads" / self.head / "examples.json"
        rows = read_json(path) if path.is_file() else []
        rows = [row | {"figure": f"example_{Path(row['svg']).stem}"} for row in rows]
        first = {row["token_label"]: row["figure"] for row in reversed(rows)}
        main = [row for row in rows if row["figure"] in first.values()][:EXAMPLES]
        return [row | {"main": True} for row in main] + [row | {"main": False} for row in rows if row not in main]

    @cached_property
    def explored(self) -> dict[str, int]:
        """The prompts of the explorer and how many tokens it has of each; none where there is no such page."""
        path = self.folder / "heads" / self.head / "explorer_rows.json"
        there = path.is_file() and (self.folder / "report" / "explorer.html").is_file()
        return {str(one["name"]): one["length"] for one in read_json(path)["prompts"]} if there else {}

    def row_link(self, prompt: int, position: int) -> str:
        """Return a link to a row in the explorer; its place as text where the explorer does not have it."""
        place = f"{prompt}:{position}"
        link = f"explorer.html#head={self.head}&prompt={prompt}&row={position}"
        return f"[{place}]({link})" if position < self.explored.get(str(prompt), 0) else place


@dataclass(frozen=True)
class Document:
    """The document of a study: its text, and the answers to the claims on each of the study's heads."""

    text: str
    values: Values
    claims: pd.DataFrame


def assemble(folder: Path, sources: Path, build: Path, templates: Path | None, renderer: str) -> None:
    """Write the folder that the report is rendered from; `numbers.json` and `claims.csv` of the study.

    Args:
        folder: `results/<study>`, with `provenance.json`.
        sources: the folder with the document.
        build: folder to write.
        templates: the file of prompt templates, which says what each task is about.
        renderer: what will render the document.

    Raises:
        PolyheadError: the document or a claim names what does not exist; the message says in which line.
    """
    heads = read_json(folder / "provenance.json")["config"]["head"]
    study = Study(folder, heads[0])
    document = written(study, sources, heads, about_tasks(templates), renderer)
    build.mkdir(parents=True, exist_ok=True)
    for source in sources.iterdir():
        if source.is_file() and source.suffix != TEMPLATE:
            shutil.copyfile(source, build / source.name)
    _copy_fonts(build / "fonts")
    (build / "figures").mkdir(exist_ok=True)
    for name, path in study.figures.items():
        shutil.copyfile(path, build / "figures" / f"{name}.svg")
    write_text(build / SOURCE, printable(document.text))
    document.values.write(folder / "numbers.json")
    write_csv(folder / "claims.csv", document.claims)


def written(
    study: Study, sources: Path, heads: Sequence[str], about: Mapping[str, Any], renderer: str
) -> Document:
    """Fill the document with what it names, and answer all claims."""
    book = Book(sources / "claims.yaml")
    values = {head: Values(study.folder, head) for head in heads}
    claims = {head: Claims(book, values[head], study.name, asked_of(values[head])) for head in heads}
    main = claims[study.head]
    names = names_of(study, main, Published(sources / "published.yaml", main.values, study.provenance), about)
    others = {head: claims[head] for head in heads[1:]}
    text = filled(sources, {**names, "others": others, "renderer": renderer})
    return Document(text, main.values, pd.concat([each.table() for each in claims.values()]))


def asked_of(values: Values) -> dict[str, list[str]]:
    """Return what `each` of a claim stands for: the post's tasks and the study's, the behaviours of edges."""
    tasks = values.each("ablation", "task") if values.has("ablation") else []
    return {"task": list(dict.fromkeys([*POST_TASKS, *tasks])), "behaviour": list(BEHAVIOURS)}


def about_tasks(templates: Path | None) -> dict[str, Any]:
    """Return what the file of templates says about each task: title, note, origin."""
    return yaml.safe_load(templates.read_text(encoding="utf-8"))["templates"] if templates else {}


def names_of(study: Study, claims: Claims, published: Published, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the document can name."""
    values = claims.values
    tasks = values.each("ablation", "task") if values.has("ablation") else []
    return {
        **values.names,
        "about": {task: {"title": spaced(task).capitalize(), "note": "", "origin": ""} | about.get(task, {}) for task in tasks},
        "answer": claims.answer,
        "claim": claims.says,
        "claims": claims,
        "code": code,
        "config": study.config,
        "head": study.head,
        "listing": listing,
        "md": escape,
        "method": study.config["ablation"]["methods"][0],
        "published": published,
        "spaced": spaced,
        "study": study,
        "tasks": tasks,
        "post_tasks": [task for task in tasks if task in POST_TASKS],
        "own_tasks": [task for task in tasks if task not in POST_TASKS],
        "done_tasks": [task for task in tasks if claims.answer(f"done/{task}") == YES],
        "taxonomy": study.config["taxonomies"][0],
        "weights": weights(study.provenance),
        "asked": [label for label, said in claims.answers.items() if said != NOT_ASKED],
        "not_asked": [label for label, said in claims.answers.items() if said == NOT_ASKED],
    }


def filled(sources: Path, names: Mapping[str, Any]) -> str:
    """Return the document with all names put in.

    Raises:
        PolyheadError: something is not known, or a tag is wrong; the message names file and line.
    """
    templates = environment(sources)
    templates.globals |= names  # so that macros, which are imported, know them too
    templates.filters |= {"spaced": spaced, "em": "*{}*".format}
    templates.tests["by_model"] = lambda task: names["about"][task]["origin"] == "model"
    try:
        return templates.get_template(SOURCE).render()
    except (TemplateError, PolyheadError) as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(TEMPLATE)]
        where = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: " if frames else ""
        raise PolyheadError(f"report: {where}{getattr(error, 'message', error)}") from error


def printable(text: str) -> str:
    """Return text with `\\u4eca` for characters that the fonts of the PDF lack, each named in the log."""
    from matplotlib.ft2font import FT2Font

    known = {chr(code) for name in FONTS for code in FT2Font(str(_font(name))).get_charmap()}
    lacking = sorted({each for each in text if each not in known and each not in "\n\t"})
    if lacking:
        print(f"characters that the fonts lack: {' '.join(map(ascii, lacking))}")
    return re.sub("|".join(map(re.escape, lacking)) or "$^", lambda found: ascii(found[0])[1:-1], text)


def _font(name: str) -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"


def _copy_fonts(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in FONTS:
        shutil.copyfile(_font(name), folder / f"{name}.ttf")
