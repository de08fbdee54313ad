"""A finished study as an RO-Crate: one zip with its files, its code, and a description for machines.

Follows the Workflow Run Crate profile (https://w3id.org/ro/wfrun/workflow): the workflow, and one action for
its run with what it read and what it made.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain
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
    """Pack into one zip a finished study, the files `made` in `folder`, and the checkout's code."""
    crate, provenance = ROCrate(version="1.1"), read_json(folder / "provenance.json")
    citation = yaml.safe_load((checkout / "CITATION.cff").read_text(encoding="utf-8"))
    inside = chain.from_iterable(path.rglob("*") if path.is_dir() else [path] for path in made)
    results = [path for path in inside if path.is_file()]
    times = [datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat() for file in results]
    describe_whole(crate, citation, provenance["config"], max(times))
    for file in sorted({file for pattern in CODE for file in checkout.glob(pattern) if file.is_file()}):
        add_file(crate, file, f"code/{file.relative_to(checkout)}")
    crate.root_dataset["mentions"] = [
        add(
            crate,
            "#run",
            "CreateAction",
            name=f"The study {provenance['config']['study']}",
            instrument=add_workflow(crate, checkout / "Snakefile", citation["title"], provenance),
            object=[add_read(crate, path, **facts) for path, facts in provenance["files"].items()],
            result=[add_file(crate, file, f"results/{file.relative_to(folder)}") for file in results],
            agent=crate.root_dataset["author"],
            startTime=min(times),
            endTime=max(times),
        )
    ]
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
    crate.root_dataset["author"] = [
        add(crate, "#" + name.replace(" ", "-"), "Organization" if "name" in author else "Person", name=name)
        for author in citation["authors"]
        for name in [author.get("name") or f"{author['given-names']} {author['family-names']}"]
    ]
    crate.root_dataset["conformsTo"] = [
        add(crate, url, "CreativeWork", name=name, version=url.rpartition("/")[2])
        for url, name in PROFILES.items()
    ]


def add_workflow(crate: ROCrate, path: Path, title: str, provenance: Mapping[str, Any]) -> Entity:
    """Add the Snakefile as the workflow."""
    kinds = ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
    facts = {"@type": kinds, "name": title, "version": provenance["code"]["commit"], **described(path)}
    language = {"lang": "snakemake", "lang_version": provenance["packages"]["snakemake"], "main": True}
    return crate.add_workflow(path, "code/Snakefile", properties=facts, **language)


def add_read(crate: ROCrate, path: str, sha256: str, bytes: int) -> Entity:
    """Add a file of the model or the data, which is not packed, by hash and size."""
    entity = add(crate, f"urn:sha256:{sha256}", "File", name=path, sha256=sha256, contentSize=str(bytes))
    crate.root_dataset.append_to("hasPart", entity)
    return entity


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
