"""Write the folder that the report is rendered from.

The document in `report/` is Quarto markdown with Jinja's tags (see `templating`). Filled, it is one file,
`index.qmd`, with every number, sentence and table.
"""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, TemplateError

from polyhead.attention.labels import POST
from polyhead.errors import PolyheadError
from polyhead.files import write_text
from polyhead.report import (
    claims_table,
    contexts,
    edge_sentences,
    edge_tables,
    label_tables,
    mechanism,
    published,
    rivals,
    scarcity,
    sentences,
    siblings,
    tables,
    tasks,
    templating,
    verdict,
)
from polyhead.report.facts import Study, TaskFacts
from polyhead.report.markdown import code, emphasis, escape, listing, plain
from polyhead.report.numbers import LEVEL, format_value
from polyhead.report.render import SOURCE
from polyhead.report.stamp import paper_stamp
from polyhead.stats import LEAST_CLUSTERS, LEAST_ROWS

FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold")
TEMPLATE = ".qmd"
PAPER_STYLE = "pdf-style.typ"
FILTERS = {
    "code": code,
    "em": emphasis,
    "listing": listing,
    "md": escape,
    "plain": plain,
    "printed": format_value,
    "spaced": sentences.task_name,
}
NAMES = {
    "claims": claims_table,
    "confidence": LEVEL,
    "contexts": contexts,
    "edge_sentences": edge_sentences,
    "edge_tables": edge_tables,
    "label_tables": label_tables,
    "least_clusters": LEAST_CLUSTERS,
    "least_rows": LEAST_ROWS,
    "mechanism": mechanism,
    "post_labels": POST,
    "prose": sentences,
    "published": published,
    "rivals": rivals,
    "scarcity": scarcity,
    "siblings": siblings,
    "tables": tables,
    "tasks": tasks,
    "verdict": verdict,
}
"""What the templates of all studies can name: the modules whose functions write sentences and tables."""


def assemble(
    study_folder: Path,
    sources: Path,
    build: Path,
    drawings: Mapping[str, Path],
    renderer: str,
    facts: Mapping[str, TaskFacts] | None = None,
    edited: tuple[str, ...] = (),
) -> None:
    """Write the folder that the report is rendered from.

    Args:
        study_folder: `results/<study>`, with `numbers.json` and `provenance.json`.
        sources: the folder with the templates of the document.
        build: folder to write.
        drawings: further figures, by name.
        renderer: what will render the document.
        facts: what the file of templates says about each task.
        edited: tables that were edited by hand; every page names them.

    Raises:
        PolyheadError: a figure is missing, or a template names what is not known; the message says where.
    """
    study = Study(study_folder, published.read_published(sources / "published.yaml"), facts or {}, edited)
    build.mkdir(parents=True, exist_ok=True)
    for source in sources.iterdir():
        if source.is_file() and source.suffix != TEMPLATE:
            shutil.copyfile(source, build / source.name)
    with (build / PAPER_STYLE).open("a", encoding="utf-8") as style:
        style.write(paper_stamp(edited))
    _copy_fonts(build / "fonts")
    _copy_figures(study, build / "figures", drawings)
    write_text(build / SOURCE, filled(environment(sources), names_of(study) | {"renderer": renderer}))


def environment(sources: Path) -> Environment:
    """Return what fills the templates of the document."""
    found = templating.environment(sources)
    found.filters |= FILTERS
    found.globals |= NAMES
    return found


def names_of(study: Study) -> dict[str, Any]:
    """Return what the templates can name of a study; `n` gives a number, which prints as its text."""
    return {
        "study": study,
        "numbers": study.numbers,
        "head": study.head,
        "taxonomy": study.taxonomy,
        "has": study.has,
        "n": study.numbers.get,
    }


def filled(templates: Environment, names: Mapping[str, Any]) -> str:
    """Return the document with all names put in.

    Raises:
        PolyheadError: something is not known, or a tag is wrong; the message names template and line.
    """
    try:
        return templates.get_template(SOURCE).render(names)
    except (TemplateError, PolyheadError) as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(TEMPLATE)]
        where = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: " if frames else ""
        raise PolyheadError(f"report: {where}{getattr(error, 'message', error)}") from error


def _copy_fonts(folder: Path) -> None:
    import matplotlib

    folder.mkdir(exist_ok=True)
    for name in FONTS:
        shutil.copyfile(
            Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", folder / f"{name}.ttf"
        )


def _copy_figures(study: Study, folder: Path, drawings: Mapping[str, Path]) -> None:
    folder.mkdir(exist_ok=True)
    figures = [p for place in (study.folder, study.head_folder) for p in (place / "figures").glob("*.svg")]
    unread = {f"{kind}_{task}.svg" for task in study.unread for kind in ("task", "ablation")}
    wanted = {path.name: path for path in sorted(figures) if path.name not in unread}
    wanted |= {
        f"example_{path.name}": path for path in sorted((study.head_folder / "examples").glob("*.svg"))
    }
    wanted |= dict(drawings)
    for name, path in wanted.items():
        if not path.is_file():
            raise PolyheadError(f"report: the figure {path} does not exist")
        shutil.copyfile(path, folder / name)
