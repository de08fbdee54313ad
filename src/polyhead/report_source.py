"""Put together the folder that the report is rendered from.

It holds the document's sources as they are, `_variables.yml` with every value and every sentence that depends
on a result, the generated tables, and the figures. A part that the study did not run is not included.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from polyhead import prose, report_tables
from polyhead.errors import PolyheadError
from polyhead.files import read_json, write_text
from polyhead.markdown import code, escape, listing
from polyhead.numbers import NBSP, Numbers, read_numbers
from polyhead.published import compare, is_published, read_published, stand_ins
from polyhead.render import variable, write_variables
from polyhead.report_tables import short_path

FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold")
REFERENCE = "reference-model"
FIGURES = {
    "distribution_extended": (
        "The same rows by the extended definitions; rarer mixes are put together.",
        "Stacked bars: shares of the extended labels by destination token.",
    ),
    "sensitivity": (
        "Shares over all rows when the threshold and the window of *previous* are changed.",
        "Lines: shares of behaviours against threshold and window.",
    ),
    "unknown": (
        "Rows that the post's labels leave *unknown*: what the extended definitions make of them, and the "
        "sources that stand out in the rest.",
        "Bars: extended labels of unknown rows, and sources by how much more often they are attended to.",
    ),
    "by_kind_post": (
        "Shares of behaviours by kind of text; whiskers are intervals.",
        "Stacked bars: shares of behaviours in code and in prose.",
    ),
    "controls": (
        "The controls as a picture: this head beside the others of its layer, its row beside the one edge.",
        "Dots: drops in the answer's probability for every head of the layer, by task.",
    ),
    "tasks_by_heads": (
        "Drop in the answer's probability when any one head of the model is ablated at the destination.",
        "Grid: tasks by heads, shaded by the drop in the answer's probability.",
    ),
    "real_text": (
        "Change in the next token's log probability under the ablation, by the behaviour of the row.",
        "Dots: mean change in log probability by behaviour. Bars: shares of rows and of the whole change.",
    ),
    "atlas": (
        "What every head of the model does: shares of labels over all rows of some of the prompts.",
        "Stacked bars: shares of labels for every head of the model.",
    ),
}
"""Figures that a study may have, with captions and alt texts."""
VARIABLE = re.compile(r"\{\{<\s*var\s+(\S+)\s*>\}\}")
HIDDEN = re.compile(r"\A---\n.*?\n---\n|\]\([^()\s]*\{\{<[^()]*?>\}\}[^()\s]*\)|\w+=\"[^\"]*\"", re.DOTALL)
"""Front matter, a path after a caption, an attribute's value."""
TASK_TEMPLATE = "_task.qmd"


@dataclass(frozen=True)
class TaskFacts:
    """What the file of templates says of a task."""

    title: str
    note: str
    behaviours: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """Where a study's results lie, and what the report needs to know of them."""

    folder: Path
    published: Mapping[str, Any]
    facts: Mapping[str, TaskFacts]
    """What each task is about."""

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
        """Where that head's results lie."""
        return self.folder / "heads" / self.head

    @property
    def taxonomy(self) -> str:
        """The taxonomy of figure 1."""
        return self.config["taxonomies"][0]

    @property
    def tasks(self) -> list[str]:
        """Tasks that were run."""
        return self.numbers.values("task", head=self.head, table="ablation")

    @cached_property
    def model(self) -> str:
        """The model's name: the repository it was fetched from, or its directory."""
        source = self.folder / "model" / "source.json"
        return str(read_json(source)["repo"]) if source.is_file() else short_path(self.config["model"])

    @cached_property
    def says_sample(self) -> str:
        """How the prompts were drawn, in words."""
        return str(read_json(self.folder / "sampling.json")["says"])

    @property
    def is_reference(self) -> bool:
        """Whether the model is the one that this project trained."""
        return Path(self.config["model"]).name == REFERENCE

    @property
    def is_published(self) -> bool:
        """Whether this is the post's head of the post's model."""
        return is_published(self.published, self.model, self.head)


def assemble(
    study_folder: Path,
    sources: Path,
    build: Path,
    drawings: Mapping[str, Path],
    facts: Mapping[str, TaskFacts] | None = None,
) -> None:
    """Write the folder that the report is rendered from.

    Args:
        study_folder: `results/<study>`, with `numbers.json` and `provenance.json`.
        sources: the folder with the Quarto document.
        build: folder to write.
        drawings: further figures, name → file.
        facts: what each task is about.
    """
    study = Study(study_folder, read_published(sources / "published.yaml"), facts or {})
    build.mkdir(parents=True, exist_ok=True)
    values = nested(variables(study))
    for source in sources.iterdir():
        if source.suffix == ".qmd" and source.name != TASK_TEMPLATE:
            text = source.read_text(encoding="utf-8")
            write_text(build / source.name, fill_attributes(text, values, source.name))
        elif source.is_file() and source.name != TASK_TEMPLATE:
            shutil.copyfile(source, build / source.name)
    _copy_fonts(build / "fonts")
    _copy_figures(study, build / "figures", drawings)
    for name, text in generated(study, (sources / TASK_TEMPLATE).read_text(encoding="utf-8")).items():
        write_text(build / name, fill_attributes(text, values, name) + "\n")
    write_variables(build / "_variables.yml", values)


def fill_attributes(text: str, values: Mapping[str, Any], where: str) -> str:
    """Put variables into the front matter, attributes and paths, where Quarto may not look for them."""

    def fill(match: re.Match[str]) -> str:
        return VARIABLE.sub(lambda found: variable(found[1], values, where), match[0])

    return HIDDEN.sub(fill, text)


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
    wanted = {path.name: path for path in sorted(figures)}
    wanted |= {
        f"example_{path.name}": path for path in sorted((study.head_folder / "examples").glob("*.svg"))
    }
    wanted |= dict(drawings)
    for name, path in wanted.items():
        if not path.is_file():
            raise PolyheadError(f"report: the figure {path} does not exist")
        shutil.copyfile(path, folder / name)


def nested(flat: Mapping[str, str]) -> dict[str, Any]:
    """Turn dotted names into nested mappings, as `_variables.yml` wants them."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


def variables(study: Study) -> dict[str, str]:
    """Return every variable of the document."""
    values = (
        _names(study)
        | _settings(study)
        | _sentences(study)
        | _real_text(study)
        | _unknown(study)
        | _alts(study)
    )
    for task in study.tasks:
        values |= _task(study, task)
    return values


def _names(study: Study) -> dict[str, str]:
    layer, index = study.head.split(".")
    return {
        "study.name": escape(study.config["study"]),
        "study.subtitle": _subtitle(study),
        "study.about": _about(study),
        "model.name": study.model,
        "head.name": study.head,
        "head.layer": layer,
        "head.index": index,
    }


def _subtitle(study: Study) -> str:
    kind = "The published study" if study.is_published else "The reference study"
    if not study.is_published and not study.is_reference:
        kind = f"Study “{study.config['study']}”"
    return f"{kind}: every row of one head, classified; every position of three tasks, ablated".replace(
        "; every position of three tasks, ablated", "" if not study.tasks else ", and its ablation on tasks"
    )


def _about(study: Study) -> str:
    post, model = study.published["models"][0], code(study.model)
    if study.is_published:
        return f"This is the study of the published head: head {study.head} of {code(post)} [@janiak2023]."
    lead = f"Head {study.head} of {model}, which is *not* the model of the post ({code(post)})"
    if study.model in study.published["models"]:
        lead = (
            f"Head {study.head} of {model}, which is *not* the head of the post ({study.published['head']})"
        )
    if study.is_reference:
        lead += (
            "; it is a small model of the same kind, which this project trained so that the whole study can "
            "be run anywhere without fetching anything"
        )
    return f"{lead}. Nothing here is a finding about the published head; its numbers are marked as such."


def _settings(study: Study) -> dict[str, str]:
    numbers = study.numbers
    values = {f"config.{n.about['quantity']}": n.text for n in numbers.find(part="config")}
    values |= {
        f"data.{n.about['quantity']}": n.text for n in numbers.find(part="data") if "kind" not in n.about
    }
    extended = (
        "The extended definitions name the smallest set of at most three elementary behaviours that suffices."
        if "extended" in study.config["taxonomies"]
        else ""
    )
    return values | {
        "machine.text": _machine(study),
        "config.taxonomy": study.taxonomy,
        "config.extended": extended,
        "config.interval": f"95{NBSP}%",
        "data.sample": escape(study.says_sample),
        "data.kinds": _kinds(numbers),
        "rows.all": numbers.get(f"{study.head}/rows/{study.taxonomy}/all").text,
        "model.shape": _shape(numbers),
        "model.kind": _kind_of_model(study),
        "ablation.by": prose.ablation_method(numbers.values("kind", head=study.head, table="ablation")),
        "model.quality": _quality(numbers),
    }


def _machine(study: Study) -> str:
    machine, numbers = study.provenance["machine"], study.numbers
    cores, memory = (numbers.get(f"machine/{name}").text for name in ("cores", "memory_gib"))
    return f"{escape(machine['processor'])}, {cores} cores, {memory} of memory, {escape(machine['system'])}"


def _kind_of_model(study: Study) -> str:
    if study.provenance["model"].get("attn_only", True):
        return "a transformer with attention layers only"
    return "a transformer with attention and feed-forward layers"


def _kinds(numbers: Numbers) -> str:
    kinds = [f"{n.text} {escape(n.about['kind'])}" for n in numbers.find(part="data", quantity="share")]
    return f"By prompts: {listing(kinds)}." if kinds else ""


def _shape(numbers: Numbers) -> str:
    words = {
        "n_layers": "{} layers",
        "n_heads": "{} heads in each",
        "d_model": "{} dimensions",
        "d_head": "{} per head",
        "n_ctx": "a context of {} tokens",
        "d_vocab": "a vocabulary of {} tokens",
    }
    known = {n.about["quantity"]: n.text for n in numbers.find(part="model")}
    return listing([text.format(known[name]) for name, text in words.items() if name in known])


def _quality(numbers: Numbers) -> str:
    known = {n.about["quantity"]: n.text for n in numbers.find(part="model")}
    parts = []
    if "tokens_seen" in known:
        parts.append(f"It was trained on {known['tokens_seen']} tokens.")
    if {"nats_per_token", "top1"} <= known.keys():
        parts.append(
            f"On held-out text its loss is {known['nats_per_token']} per token, and it predicts "
            f"{known['top1']} of the tokens right."
        )
    return " ".join(parts)


def _real_text(study: Study) -> dict[str, str]:
    if not study.numbers.find(head=study.head, table="real text"):
        return {}
    return {"says.real_text": prose.real_text_reading(study.numbers, study.head, study.taxonomy)}


def _unknown(study: Study) -> dict[str, str]:
    of_head = study.numbers, study.head
    values = {"says.kinds": prose.kinds_reading(*of_head, study.taxonomy)}
    if study.numbers.find(head=study.head, table="unknown"):
        values["says.unknown"] = prose.unknown_reading(*of_head)
    return values


def _sentences(study: Study) -> dict[str, str]:
    of_head = study.numbers, study.head
    limit = (
        "One head of one model was studied: of other heads and models this says nothing."
        if study.is_published
        else "This is not the model and head of the post; what is found here or not says nothing about those."
    )
    lead = (
        "This study is of the same head of the same model as the post, so each of the post's numbers can be "
        "held against it."
        if study.is_published
        else "This study is of another model or head than the post, so no number can be held against the "
        "post's: they stand side by side for orientation only."
    )
    return {
        "says.conclusion": prose.conclusion(*of_head, study.taxonomy),
        "says.precision": prose.precision_reading(*of_head, study.config.get("dtype", "float32")),
        "says.limit": limit,
        "published.lead": lead,
    }


def _alts(study: Study) -> dict[str, str]:
    shares = prose.most_common(study.numbers, study.head, study.taxonomy)
    return {
        "alt.distribution": plain(f"Stacked bars: shares of behaviours by destination token. {shares}"),
        "alt.rules": "Boxes for the workflow's rules, joined by arrows in the order in which they run.",
    }


def plain(markdown: str) -> str:
    """Return a sentence without markup, safe inside a quoted attribute."""
    return markdown.translate(str.maketrans("", "", "*`\\")).replace('"', "'")


def _task(study: Study, task: str) -> dict[str, str]:
    kind = study.numbers.values("kind", head=study.head, table="ablation", task=task)[0]
    of_task = study.numbers, study.head, task, kind
    name = prose.task_name(task)
    facts = study.facts.get(task, TaskFacts(name.capitalize(), "", ()))
    reading, elsewhere = prose.task_reading(*of_task), prose.elsewhere_reading(*of_task)
    values = {
        "title": escape(facts.title),
        "name": name,
        "describes": escape(facts.note),
        "prompts": study.numbers.get(f"{study.head}/ablation/{task}/{kind}/clean/prompts").text,
        "reading": reading,
        "elsewhere": elsewhere,
        "alt_task": f"The text of one prompt of the task {name}, its tokens coloured by their part in it.",
        "alt_ablation": plain(f"Line: drop in the answer's probability by ablated position. {elsewhere}"),
    }
    return {f"task.{task}.{key}": text for key, text in values.items()}


def generated(study: Study, task_template: str) -> dict[str, str]:
    """Return the text of every generated include; those of parts that were not run are empty."""
    numbers, head, tasks = study.numbers, study.head, study.tasks
    files = {
        "_summary_points.md": _summary(study),
        "_explorer_link.md": _explorer_link(study),
        "_why_head.md": prose.mixed(numbers, head, study.taxonomy),
        "_observations.md": _observations(study),
        "_parts.md": _parts(study),
        "_control_readings.md": _bullets([prose.control_reading(numbers, head, task) for task in tasks]),
        "_all_tasks.md": "\n\n".join(f"{{{{< include _task_{task}.qmd >}}}}" for task in tasks),
        "_extended.md": _extended(study),
        "_examples.md": _examples(study),
        "_more.md": _more(study),
        "_commands.md": _commands(study),
        **_tables(study),
        **{f"_figure_{name}.md": _optional_figure(study, name, *text) for name, text in FIGURES.items()},
    }
    for task in tasks:
        files[f"_task_{task}.qmd"] = task_template.replace("TASK", task)
        files[f"_table_task_{task}.md"] = report_tables.task_table(numbers, head, task)
    return files


def _tables(study: Study) -> dict[str, str]:
    numbers = study.numbers
    behaviours = {task: study.facts[task].behaviours for task in study.tasks if task in study.facts}
    instead = stand_ins(study.published, behaviours)
    comparisons = compare(study.published, numbers, study.model, study.head, instead)
    return {
        "_table_scores.md": report_tables.scores_table(numbers) if numbers.find(part="score") else "",
        "_table_distribution.md": report_tables.distribution_table(numbers, study.head, study.taxonomy),
        "_tasks_by_heads.md": report_tables.heads_by_tasks_table(numbers, study.head)
        if numbers.find(table="tasks by heads")
        else "",
        "_table_sources.md": _if_any(study, "unknown sources", report_tables.sources_table),
        "_table_controls.md": _if_any(study, "controls", report_tables.controls_table),
        "_table_real_text.md": _if_any(study, "real text", report_tables.real_text_table, study.taxonomy),
        "_table_published.md": report_tables.published_table(comparisons),
        "_table_files.md": report_tables.files_table(study.provenance["files"], numbers),
        "_table_versions.md": report_tables.versions_table(study.provenance),
        "_table_times.md": report_tables.times_table(numbers) if numbers.find(part="seconds") else "",
    }


def _parts(study: Study) -> str:
    """Include the sections of what the study ran."""
    sections = {"ablation": "_tasks.qmd", "controls": "_controls.qmd", "real text": "_real_text.qmd"}
    found = [name for table, name in sections.items() if study.numbers.find(head=study.head, table=table)]
    if study.numbers.find(table="atlas"):
        found.append("_all_heads.qmd")
    return "\n\n".join(f"{{{{< include {name} >}}}}" for name in found)


def _if_any(study: Study, table: str, make: Callable[..., str], *more: str) -> str:
    """Make a table if the study has numbers for it."""
    found = study.numbers.find(head=study.head, table=table)
    return make(study.numbers, study.head, *more) if found else ""


def _optional_figure(study: Study, name: str, caption: str, alt: str) -> str:
    """Show a figure of the head if the study has it and does not show it elsewhere."""
    if name == f"distribution_{study.taxonomy}" or not any(
        (folder / "figures" / f"{name}.svg").is_file() for folder in (study.folder, study.head_folder)
    ):
        return ""
    identifier = f"fig-{name.replace('_', '-')}"
    return f'![{caption}](figures/{name}.svg){{#{identifier} .inline-svg fig-alt="{alt}"}}'


def _bullets(sentences: list[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences if sentence)


def _summary(study: Study) -> str:
    of_head = study.numbers, study.head
    points = [
        prose.most_common(*of_head, study.taxonomy),
        prose.many_behaviours(*of_head),
        prose.tokens_decide(*of_head),
        prose.dependence(*of_head, study.tasks),
    ]
    return _bullets(points)


def _observations(study: Study) -> str:
    of_head = study.numbers, study.head
    return _bullets(
        [
            prose.most_common(*of_head, study.taxonomy),
            prose.unclassified(*of_head, study.taxonomy),
            prose.tokens_decide(*of_head),
            prose.alike_tokens(*of_head),
            prose.many_behaviours(*of_head),
        ]
    )


def _extended(study: Study) -> str:
    parts = []
    if "extended" in study.config["taxonomies"][1:]:
        parts.append(report_tables.extended_table(study.numbers, study.head))
    if len(study.config["head"]) > 1:
        parts.append(report_tables.heads_table(study.numbers, study.config["head"], study.taxonomy))
    return "\n\n".join(parts)


def _more(study: Study) -> str:
    """Include the parts of section 1 that the post does not have, if the study ran them."""
    parts = {"unknown": "_unknown.qmd", "by kind": "_kinds.qmd"}
    found = [name for table, name in parts.items() if study.numbers.find(head=study.head, table=table)]
    if (study.head_folder / "figures" / "sensitivity.svg").is_file():
        found.append("_robust.qmd")
    return "\n\n".join(f"{{{{< include {name} >}}}}" for name in found)


def _examples(study: Study) -> str:
    path = study.head_folder / "examples.json"
    examples = read_json(path) if path.is_file() else []
    if not examples:
        return ""
    renamed = [e | {"svg": f"example_{Path(e['svg']).name}"} for e in examples]
    lead = (
        "## Examples {#sec-examples}\n\nRows drawn at random, not chosen. The destination has an orange "
        "frame; the darker a token, the more attention goes to it.\n\n"
    )
    return lead + report_tables.example_figures(renamed, study.numbers, study.head, "figures")


def _commands(study: Study) -> str:
    commands = study.provenance.get("commands", [])
    return "To make it again:\n\n```sh\n" + "\n".join(commands) + "\n```\n" if commands else ""


def _explorer_link(study: Study) -> str:
    if not (study.folder / "report" / "explorer.html").is_file():
        return ""
    return "Leaf through single rows, with their attention, in the [explorer](explorer.html)."
