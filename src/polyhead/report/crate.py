"""A study as an RO-Crate: its files, and by which rules they were made from which, for machines to read.

Follows the Provenance Run Crate profile (https://w3id.org/ro/wfrun/provenance): the workflow with its steps,
one action for the whole run, one for every job, and a step's control action between the two.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from polyhead.files import read_json, replacing, sha256
from polyhead.report.stamp import notice
from polyhead.report.tables import PACKAGES
from polyhead.study.records import Record, makers, read_records

if TYPE_CHECKING:
    from rocrate.model.contextentity import ContextEntity
    from rocrate.model.entity import Entity
    from rocrate.rocrate import ROCrate

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
"""Written out, so that the description can be read without a network."""
CODE, RESULTS = "code", "results"
CODE_FILES = (
    "Snakefile",
    "config.yaml",
    "pyproject.toml",
    "LICENSE",
    "CITATION.cff",
    "README.md",
    "envs/*.*",
    "config/*.yaml",
    "workflow/rules/*.smk",
    "workflow/schemas/*.json",
    "workflow/scripts/*.py",
    "src/**/*.py",
    "report/*.*",
)
PARQUET = "application/vnd.apache.parquet"
COMPLETED = "http://schema.org/CompletedActionStatus"


@dataclass
class StudyCrate:
    """A study, the checkout that made it, and the crate that both are put into."""

    folder: Path
    """`results/<study>`, finished."""
    checkout: Path
    edited: tuple[str, ...] = ()
    """Tables that were edited by hand; the crate says so."""
    files: dict[str, Entity] = field(default_factory=dict)
    """Files of the crate by their path relative to `folder`, or in the checkout."""

    @cached_property
    def crate(self) -> ROCrate:
        """The crate, empty at first."""
        from rocrate.rocrate import ROCrate

        return ROCrate(version="1.1")

    @cached_property
    def records(self) -> list[Record]:
        """The jobs whose files the study still has; of a file that was made twice, the last."""
        alive = {record.job for path, record in makers(read_records(self.folder)).items() if self.has(path)}
        return [record for record in read_records(self.folder) if record.job in alive]

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """How the study was made."""
        return read_json(self.folder / "provenance.json")

    @cached_property
    def citation(self) -> Mapping[str, Any]:
        """Title, authors, licence: CITATION.cff."""
        return yaml.safe_load((self.checkout / "CITATION.cff").read_text(encoding="utf-8"))

    def has(self, path: str) -> bool:
        """Say whether a path of a record is a file of the study, and there."""
        return not path.startswith("..") and (self.folder / path).is_file()

    def entity(self, identifier: str, kind: str | list[str], **properties: Any) -> ContextEntity:
        """Add something that is no file."""
        from rocrate.model.contextentity import ContextEntity

        return self.crate.add(ContextEntity(self.crate, identifier, {"@type": kind, **properties}))


def write_crate(path: Path, folder: Path, checkout: Path, edited: tuple[str, ...] = ()) -> None:
    """Pack a finished study, its report, and the code that made it into one zip with their description.

    Args:
        path: the archive to write.
        folder: `results/<study>`.
        checkout: the folder of the Snakefile.
        edited: tables that were edited by hand.
    """
    study = StudyCrate(folder, checkout, edited)
    describe(study)
    with replacing(path) as temporary:
        study.crate.write_zip(temporary)


def describe(study: StudyCrate) -> None:
    """Fill the crate."""
    add_root(study)
    add_code(study)
    add_results(study)
    add_inputs(study)
    workflow = add_workflow(study)
    steps = add_steps(study, workflow)
    add_run(study, workflow, steps)


def add_root(study: StudyCrate) -> None:
    """Add what the whole is: name, description, date, authors, licence, profiles."""
    crate, citation, config = study.crate, study.citation, study.provenance["config"]
    crate.metadata.extra_terms.update(TERMS)
    crate.name = f"{citation['title']} — study {config['study']}"
    about = (
        f"Head {', '.join(config['head'])} of {Path(config['model']).name}. {citation['abstract'].strip()}"
    )
    crate.description = " ".join(filter(None, [notice(study.edited), about]))
    crate.datePublished = max(record.ended for record in study.records)
    identifier = f"https://spdx.org/licenses/{citation['license']}"
    crate.license = study.entity(
        identifier, "CreativeWork", name=f"{citation['license']} License", url=identifier
    )
    crate.root_dataset["author"] = list(_authors(study))
    profiles = [
        study.entity(url, "CreativeWork", name=name, version=url.rpartition("/")[2])
        for url, name in PROFILES.items()
    ]
    crate.root_dataset["conformsTo"] = profiles


def _authors(study: StudyCrate) -> Iterator[ContextEntity]:
    for number, author in enumerate(study.citation["authors"]):
        name = author.get("name") or f"{author['given-names']} {author['family-names']}"
        kind = "Organization" if "name" in author else "Person"
        identifier = author.get("orcid") or author.get("website") or f"#author-{number}"
        yield study.entity(identifier, kind, name=name)


def add_code(study: StudyCrate) -> None:
    """Add the code and the document that made the study."""
    found = {path for pattern in CODE_FILES for path in study.checkout.glob(pattern) if path.is_file()}
    for path in sorted(found - {study.checkout / "Snakefile"}):
        name = path.relative_to(study.checkout).as_posix()
        script = name.startswith("workflow/scripts/")
        more = {"@type": ["File", "SoftwareSourceCode"], "name": path.stem} if script else {}
        study.files[name] = _add_file(study, path, f"{CODE}/{name}", **more)


def add_results(study: StudyCrate) -> None:
    """Add every file that a job of the study wrote."""
    for record in study.records:
        for path in filter(study.has, record.outputs):
            if path not in study.files:
                more = {"description": f"Written by the rule {record.rule}."}
                study.files[path] = _add_file(study, study.folder / path, f"{RESULTS}/{path}", **more)


def add_inputs(study: StudyCrate) -> None:
    """Add what the study read and did not make, which is not packed: by hash and size."""
    listed = study.provenance["files"]
    for path in dict.fromkeys(path for record in study.records for path in record.inputs):
        file = (study.folder / path).resolve()
        inside = file.is_relative_to(study.checkout.resolve())
        name = file.relative_to(study.checkout.resolve()).as_posix() if inside else file.name
        if path in study.files or not file.is_file():
            continue
        if name in study.files:
            study.files[path] = study.files[name]
            continue
        found = listed.get(os.path.relpath(file), {})
        size, digest = found.get("bytes", file.stat().st_size), found.get("sha256") or sha256(file)
        facts = {"name": name, "sha256": digest, "contentSize": str(size), "encodingFormat": _format(file)}
        study.files[path] = study.entity(f"urn:sha256:{digest}", "File", **facts)
        study.crate.root_dataset.append_to("hasPart", study.files[path])


def _add_file(study: StudyCrate, path: Path, place: str, **more: Any) -> Entity:
    facts = {"name": place, "sha256": sha256(path), "contentSize": str(path.stat().st_size)}
    return study.crate.add_file(path, place, properties={**facts, "encodingFormat": _format(path), **more})


def _format(path: Path) -> str:
    return PARQUET if path.suffix == ".parquet" else mimetypes.guess_type(path.name)[0] or "text/plain"


def add_workflow(study: StudyCrate) -> Entity:
    """Add the Snakefile as the workflow, with the versions of what it needs."""
    versions, path = study.provenance["packages"], study.checkout / "Snakefile"
    facts = {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": study.citation["title"],
        "version": study.provenance["code"]["commit"],
        "sha256": sha256(path),
        "contentSize": str(path.stat().st_size),
        "encodingFormat": "text/plain",
    }
    language = {"lang": "snakemake", "lang_version": versions["snakemake"], "main": True}
    workflow = study.crate.add_workflow(path, f"{CODE}/Snakefile", properties=facts, **language)
    workflow["softwareRequirements"] = [
        study.entity(f"#package-{name}", "SoftwareApplication", name=name, softwareVersion=versions[name])
        for name in PACKAGES
        if name in versions
    ]
    return workflow


def add_steps(study: StudyCrate, workflow: Entity) -> dict[str, ContextEntity]:
    """Add one step of the workflow for every rule, with the script that it runs; by the rule's name."""
    rules = list(dict.fromkeys(record.rule for record in study.records))
    steps = {}
    for position, rule in enumerate(rules, start=1):
        tool = study.files[f"workflow/scripts/{rule}.py"]
        workflow.append_to("hasPart", tool)
        steps[rule] = study.entity(
            f"#step-{rule}", "HowToStep", name=rule, position=str(position), workExample=tool
        )
    workflow["step"] = list(steps.values())
    return steps


def add_run(study: StudyCrate, workflow: Entity, steps: Mapping[str, Entity]) -> None:
    """Add the run of the workflow, that of every job, and the actions that link them."""
    made = _known(study, (path for record in study.records for path in record.outputs))
    read = _known(study, (path for record in study.records for path in record.inputs))
    inputs = [entity for entity in read if entity not in made]
    run = _action(study, "#run", workflow, inputs, made, study.records, "The run of the workflow")
    controls = []
    for rule, step in steps.items():
        jobs = [_job(study, record) for record in study.records if record.rule == rule]
        facts = {"name": f"Step {rule}", "instrument": step, "object": jobs}
        controls.append(study.entity(f"#control-{rule}", "ControlAction", **facts))
        study.crate.root_dataset.append_to("mentions", jobs)
    version = study.provenance["packages"]["snakemake"]
    engine = study.entity(
        "#snakemake",
        "SoftwareApplication",
        name=f"Snakemake {version}",
        softwareVersion=version,
        url="https://snakemake.github.io",
    )
    facts = {"name": "Snakemake's run", "instrument": engine, "object": controls, "result": run}
    organized = study.entity("#engine-run", "OrganizeAction", **facts)
    study.crate.root_dataset.append_to("mentions", [run, organized])


def _job(study: StudyCrate, record: Record) -> ContextEntity:
    read, made = _known(study, record.inputs), _known(study, record.outputs)
    tool = study.files[f"workflow/scripts/{record.rule}.py"]
    return _action(study, f"#job-{record.job}", tool, read, made, [record], f"Job {record.job}")


def _action(
    study: StudyCrate,
    identifier: str,
    instrument: Entity,
    read: list[Entity],
    made: list[Entity],
    records: list[Record],
    name: str,
) -> ContextEntity:
    return study.entity(
        identifier,
        "CreateAction",
        name=name,
        instrument=instrument,
        object=read,
        result=made,
        startTime=min(record.started for record in records),
        endTime=max(record.ended for record in records),
        actionStatus=COMPLETED,
        agent=study.crate.root_dataset["author"],
    )


def _known(study: StudyCrate, paths: Iterable[str]) -> list[Entity]:
    """Return the entities of files, each once; of a folder, those of the files in it."""
    found: dict[str, Entity] = {}
    for path in paths:
        names = [path] if path in study.files else [f for f in study.files if f.startswith(f"{path}/")]
        found |= {study.files[name].id: study.files[name] for name in names}
    return list(found.values())
