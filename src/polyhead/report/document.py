"""Put a study's numbers, claims and figures into the document in `report/`.

The document is Quarto markdown, written by hand, with Jinja's tags as `<< value >>` and `<% statement %>`.
Its parts are the files `_*.qmd`. Names that it can use: what `Values` offers, and what `names_of` returns.
"""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import TemplateError

from polyhead.edges.classes import CLASS_BEHAVIOURS
from polyhead.errors import PolyheadError
from polyhead.files import read_json, write_csv, write_text
from polyhead.report.claims import NOT_ASKED, YES, Claims, Published, model_name
from polyhead.report.render import SOURCE
from polyhead.report.templating import environment
from polyhead.report.values import Values, code, escape, listing, spaced
from polyhead.style import FONTS, font, headline_of, in_our_fonts, is_empty

TEMPLATE = ".qmd"
POST_TASKS = ("induction", "bigger_indentation", "previous")
EXAMPLES = 5
"""Examples in the main text, each of another destination token."""


class Study:
    """What the document asks of a study beside its numbers: what it is about, its pictures."""

    def __init__(self, folder: Path, provenance: Mapping[str, Any], head: str) -> None:
        self.folder, self.head_folder = folder, folder / "heads" / head
        self.config, self.name = provenance["config"], provenance["config"]["study"]
        self.model, self.sizes = model_name(provenance), provenance["model"]
        self.is_reference = Path(self.config["model"]).name == "reference-model"

    @property
    def of_training(self) -> bool | None:
        """Whether the model was trained on text of the prompts' kind; None where that is not known."""
        corpus = self.config["corpus"]
        if corpus.get("of_training") is not None or corpus.get("repo") or corpus.get("text"):
            return corpus.get("of_training")
        beside = Path(self.config["model"]).with_name("corpus")
        return True if self.is_reference and Path(corpus["path"]) == beside else None

    @cached_property
    def figures(self) -> dict[str, Path]:
        """The figures of the study and of its head by their names; `example_<number>` for example rows."""
        places = (self.folder / "figures", self.head_folder / "figures")
        found = {path.stem: path for place in places for path in place.glob("*.svg")}
        examples = (self.head_folder / "examples").glob("*.svg")
        return found | {f"example_{path.stem}": path for path in examples}

    def drawn(self, name: str) -> bool:
        """Whether there is a figure that shows anything but why there is nothing to draw."""
        return name in self.figures and not is_empty(self.figures[name].read_text(encoding="utf-8"))

    def shows(self, name: str) -> str:
        """What a figure says it shows, for those who do not see it: without markup and double quotes."""
        said = headline_of(self.figures[name].read_text(encoding="utf-8"))
        return said.translate(str.maketrans('"', "'", "*`\\"))

    @cached_property
    def examples(self) -> list[dict[str, Any]]:
        """Example rows; in the main text the first of some destination tokens."""
        rows, seen = read_json(self.head_folder / "examples.json"), set[str]()
        for row in rows:
            row["figure"] = f"example_{Path(row['svg']).stem}"
            row["main"] = row["token_label"] not in seen and len(seen) < EXAMPLES
            seen.add(row["token_label"])
        return rows

    @cached_property
    def explored(self) -> dict[str, int]:
        """The prompts of the explorer and how many tokens it has of each."""
        prompts = read_json(self.head_folder / "explorer_rows.json")["prompts"]
        return {one["name"]: one["length"] for one in prompts}

    def row(self, prompt: int, position: int, text: str = "") -> str:
        """Return a link to a row in the explorer, with its place as text; the place where it is not there."""
        place = text or f"{prompt}:{position}"
        link = f"explorer.html#prompt={prompt}&position={position}"
        return f"[{place}]({link})" if position < self.explored.get(str(prompt), 0) else place


def assemble(folder: Path, sources: Path, build: Path, templates: Path | None, renderer: str) -> None:
    """Write the folder `build` that the report is rendered from; numbers.json and claims.csv of the study.

    `sources`: the folder with the document; `templates`: the file of prompt templates, which says what each
    task is about; `renderer`: what will render the document, in words.

    Raises `PolyheadError` with the line of the document or the claim that names what does not exist.
    """
    provenance = read_json(folder / "provenance.json")
    heads, name = provenance["config"]["head"], provenance["config"]["study"]
    claims = {head: claims_on(Values(folder, head), sources / "claims.yaml", name) for head in heads}
    main, others = claims[heads[0]], {head: claims[head] for head in heads[1:]}
    study = Study(folder, provenance, heads[0])
    about = yaml.safe_load(templates.read_text(encoding="utf-8")) if templates else {}
    published = Published(sources / "published.yaml", main, provenance)
    more = {"published": published, "renderer": renderer, "others": others}
    write_text(build / SOURCE, in_our_fonts(filled(sources, names_of(study, main, about) | more)))
    files = {path.name: path for path in sources.iterdir() if path.is_file() and path.suffix != TEMPLATE}
    files |= {f"fonts/{name}.ttf": font(name) for name in FONTS}
    files |= {f"figures/{name}.svg": path for name, path in study.figures.items()}
    for name, path in files.items():
        (build / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(path, build / name)
    main.values.write(folder / "numbers.json")
    write_csv(folder / "claims.csv", pd.concat([each.table() for each in claims.values()]))


def claims_on(values: Values, path: Path, study: str) -> Claims:
    """Return the claims on a head; `each: task` stands for the post's tasks and the study's."""
    return Claims(path, values, study, list(dict.fromkeys([*POST_TASKS, *tasks_of(values)])))


def tasks_of(values: Values) -> list[str]:
    """Return the tasks of a study."""
    return values.each("ablation", "task") if values.has("ablation") else []


def names_of(study: Study, claims: Claims, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the document can name; `about`: the file of templates."""
    tasks = tasks_of(claims.values)
    return {
        **claims.values.names,
        "about": {task: {"note": ""} | about["templates"][task] for task in tasks},
        "made": about.get("made", ""),
        "answer": claims.answer,
        "behaviours": CLASS_BEHAVIOURS,
        "claim": claims.says,
        "claims": claims,
        "code": code,
        "config": study.config,
        "head": claims.values.head,
        "md": escape,
        "method": study.config["ablation"]["methods"][0],
        "spaced": spaced,
        "study": study,
        "tasks": tasks,
        "post_tasks": [task for task in tasks if task in POST_TASKS],
        "own_tasks": [task for task in tasks if task not in POST_TASKS],
        "words": lambda these: listing(f"*{spaced(each)}*" for each in these),
        "done_tasks": [task for task in tasks if claims.answer(f"done/{task}") == YES],
        "dependent": [task for task in tasks if claims.answer(f"depends/{task}") == YES],
        "taxonomy": study.config["taxonomies"][0],
        "not_asked": [label for label, said in claims.answers.items() if said == NOT_ASKED],
    }


def filled(sources: Path, names: Mapping[str, Any]) -> str:
    """Return the document with all names put in; a `PolyheadError` names file and line of what is wrong."""
    templates = environment(sources)
    templates.globals |= names  # so that macros, which are imported, know them too
    try:
        return templates.get_template(SOURCE).render()
    except (TemplateError, PolyheadError) as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(TEMPLATE)]
        where = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: " if frames else ""
        raise PolyheadError(f"report: {where}{getattr(error, 'message', error)}") from error
