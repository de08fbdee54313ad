"""A finished study as an RO-Crate: one zip with its files, its code, and a description for machines.

Follows the Workflow Run Crate profile (https://w3id.org/ro/wfrun/workflow): the workflow, and one action for
its run with what it read and what it made.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from polyhead.files import read_json, replacing, sha256

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
CODE = (
    "config.yaml", "pyproject.toml", "LICENSE", "CITATION.cff", "README.md", "envs/*.*", "config/*.yaml",
    "workflow/**/*.*", "src/**/*.py", "report/**/*.*",
)  # fmt: skip


def write_archive(path: Path, folder: Path, checkout: Path, made: Iterable[Path]) -> None:
    """Pack a finished study and the code that made it into one zip.

    Args:
        path: the archive to write.
        folder: `results/<study>`, with provenance.json.
        checkout: the folder of the Snakefile.
        made: the files of the study.
    """
    crate, provenance = ROCrate(version="1.1"), read_json(folder / "provenance.json")
    citation = yaml.safe_load((checkout / "CITATION.cff").read_text(encoding="utf-8"))
    results = [
        file for path in made for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()
    ]
    times = [datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat() for file in results]
    describe_whole(crate, citation, provenance["config"], max(times))
    for file in sorted({file for pattern in CODE for file in checkout.glob(pattern) if file.is_file()}):
        add_file(crate, file, f"code/{file.relative_to(checkout)}")
    entities = [add_file(crate, file, f"results/{file.relative_to(folder)}") for file in results]
    run = add(
        crate,
        "#run",
        "CreateAction",
        name=f"The study {provenance['config']['study']}",
        instrument=add_workflow(crate, checkout / "Snakefile", citation["title"], provenance),
        object=list(read_files(crate, provenance["files"])),
        result=entities,
        agent=crate.root_dataset["author"],
        startTime=min(times),
        endTime=max(times),
    )
    crate.root_dataset["mentions"] = [run]
    with replacing(path) as temporary:
        crate.write_zip(temporary)


def describe_whole(crate: ROCrate, citation: Mapping[str, Any], config: Mapping[str, Any], when: str) -> None:
    """Add name, description, date, authors, licence and profiles."""
    crate.metadata.extra_terms["sha256"] = "https://w3id.org/ro/terms/workflow-run#sha256"
    crate.name = f"{citation['title']}: study {config['study']}"
    crate.description = (
        f"Head {', '.join(config['head'])} of {Path(config['model']).name}. {citation['abstract']}"
    )
    crate.datePublished = when
    licence = f"https://spdx.org/licenses/{citation['license']}"
    crate.license = add(crate, licence, "CreativeWork", name=citation["license"], url=licence)
    names = [
        {"name": a.get("name") or f"{a['given-names']} {a['family-names']}"} for a in citation["authors"]
    ]
    crate.root_dataset["author"] = [
        add(crate, f"#author-{number}", "Organization" if "name" in author else "Person", **names[number])
        for number, author in enumerate(citation["authors"])
    ]
    crate.root_dataset["conformsTo"] = [
        add(crate, url, "CreativeWork", name=name, version=url.rpartition("/")[2])
        for url, name in PROFILES.items()
    ]


def add_workflow(crate: ROCrate, snakefile: Path, title: str, provenance: Mapping[str, Any]) -> Entity:
    """Add the Snakefile as the workflow."""
    version = provenance["packages"]["snakemake"]
    kinds = ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
    facts = {"@type": kinds, "name": title, "version": provenance["code"]["commit"], **described(snakefile)}
    language = {"lang": "snakemake", "lang_version": version, "main": True}
    return crate.add_workflow(snakefile, "code/Snakefile", properties=facts, **language)


def read_files(crate: ROCrate, files: Mapping[str, Mapping[str, Any]]) -> Iterator[Entity]:
    """Add model and data, which are not packed, by hash and size."""
    for path, facts in files.items():
        known = {"name": path, "sha256": facts["sha256"], "contentSize": str(facts["bytes"])}
        entity = add(crate, f"urn:sha256:{facts['sha256']}", "File", **known)
        crate.root_dataset.append_to("hasPart", entity)
        yield entity


def add_file(crate: ROCrate, path: Path, place: str) -> Entity:
    """Add a file with its hash, size and format."""
    return crate.add_file(path, place, properties={"name": place, **described(path)})


def described(path: Path) -> dict[str, str]:
    """Return hash, size and format of a file."""
    kind = mimetypes.guess_type(path.name)[0] or "text/plain"
    return {"sha256": sha256(path), "contentSize": str(path.stat().st_size), "encodingFormat": kind}


def add(crate: ROCrate, identifier: str, kind: str, **properties: Any) -> Entity:
    """Add something that is no file."""
    return crate.add(ContextEntity(crate, identifier, {"@type": kind, **properties}))
