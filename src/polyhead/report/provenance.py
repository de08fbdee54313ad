"""The record of how a study was made: config, code, packages, files, machine, times."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Hashable, Iterable, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pandas as pd

from polyhead.files import FETCHED, read_json, sha256
from polyhead.model.shape import named_sizes

MODEL_FIELDS = ("n_layers", "n_heads", "d_model", "d_head", "n_ctx", "d_vocab", "attn_only")


def provenance(
    study: Mapping[str, Any],
    files: Sequence[Path],
    tables: Iterable[Path],
    benchmarks: Path,
    compared: Mapping[str, Any],
) -> dict[str, Any]:
    """Return `provenance.json`: what a reader needs to check and repeat a study, given its merged config.

    `files` are the model's and the data's, `tables` what the stages made, `benchmarks` the folder with
    Snakemake's tables, one per job, `compared` how far the model is from TransformerLens (`model.lens`).
    """
    hashed = sorted({path for path in tables if path.suffix in (".csv", ".json", ".parquet")})
    sizes = named_sizes(content_of("config.json", files))
    return {
        "config": dict(study),
        "code": {"commit": commit()},
        "packages": {d.name: d.version for d in sorted(distributions(), key=lambda d: d.name.lower())},
        "files": {str(path): {"sha256": sha256(path), "bytes": path.stat().st_size} for path in files},
        "tables": {str(path): sha256(path) for path in hashed},
        "model": {name: sizes[name] for name in MODEL_FIELDS if name in sizes},
        "model_source": content_of(FETCHED, files),
        "transformer_lens": dict(compared),
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "stages": stages(benchmarks),
    }


def commit() -> str:
    """Return the commit of a git checkout, with `-dirty` if files were changed."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, check=False)
    return run.stdout.strip() or "not a git checkout"


def content_of(name: str, files: Iterable[Path]) -> dict[str, Any]:
    """Return the content of the JSON file of a name; nothing where it is not among the files."""
    return next((read_json(path) for path in files if path.name == name), {})


def _processor() -> str:
    """Return the name of the processor; on Linux from /proc/cpuinfo, which `platform` does not read."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.*)", info.read_text() if info.exists() else "", re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def stages(benchmarks: Path) -> dict[Hashable, dict[str, float | None]]:
    """Return for each stage the number of jobs, their total seconds, and the largest memory of one in MiB."""
    paths = {path: path.relative_to(benchmarks).parts[0] for path in sorted(benchmarks.rglob("*.tsv"))}
    jobs = pd.concat(
        pd.read_csv(path, sep="\t", na_values="-").assign(stage=stage.removesuffix(".tsv"))
        for path, stage in paths.items()
    )
    named = {"jobs": ("s", "size"), "seconds": ("s", "sum"), "memory_mib": ("max_rss", "max")}
    table = jobs.groupby("stage").agg(**named).round({"seconds": 2, "memory_mib": 1})
    return table.astype(object).where(table.notna(), None).to_dict("index")
