"""Whatever the workflow can be asked for can be planned, under every config; a plan imports nothing heavy."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.workflow
ROOT = Path(__file__).parents[2]
CONFIGS = sorted(ROOT.glob("config/*.yaml"))
STUDIES = [path for path in CONFIGS if "study" in yaml.safe_load(path.read_text(encoding="utf-8"))]
HEAVY = {"torch", "transformers", "transformer_lens", "matplotlib", "tokenizers", "huggingface_hub", "scipy"}
EXPORTED = ("model.safetensors", "config.json", "tokenizer.json", "training.json", "training-log.csv")


@pytest.fixture
def folder(tmp_path):
    """A working folder with what the rules of the reference model read; nothing in it has been made."""
    for name in ("config", "envs"):
        (tmp_path / name).symlink_to(ROOT / name)
    model = tmp_path / "resources/reference-model"
    model.mkdir(parents=True)
    (tmp_path / "resources/corpus").symlink_to(ROOT / "resources/corpus")
    for name in EXPORTED:
        shipped = ROOT / "resources/reference-model" / name
        (model / name).symlink_to(shipped) if shipped.exists() else (model / name).touch()
    return tmp_path


def snakemake(folder, *arguments, **environment):
    """Run Snakemake on the checkout's workflow in a folder; return what it printed, and what it said."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder]
    run = subprocess.run(
        [*command, "--cores", "2", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout, run.stderr


def targets(folder, *config):
    """Return every rule that can be asked for by its name."""
    return [line.split(" ")[0] for line in snakemake(folder, "--list-target-rules", *config)[0].splitlines()]


MANY = ("smollm2",)
"""Configs whose models have so many heads that a plan for all of them takes most of a minute."""


def plans():
    """Yield every config, with its own heads and with all."""
    for config in (ROOT / "config.yaml", *STUDIES):
        yield pytest.param(config, [], id=f"{config.stem}-its-head")
        marks = [pytest.mark.long] if config.stem in MANY else []
        yield pytest.param(config, ["--config", "head=all"], id=f"{config.stem}-all-heads", marks=marks)


@pytest.mark.parametrize(("config", "heads"), plans())
def test_every_target_is_planned_under_every_config(folder, config, heads):
    named = targets(folder, "--configfile", config, *heads)
    assert {"all", "benchmark", "reference_model"} <= set(named)
    if yaml.safe_load(config.read_text(encoding="utf-8")).get("head") != "auto":  # the head is not chosen yet
        assert {"report", "notebook", "list_templates"} <= set(named)
    assert {"scarcity", "scarcity_probes", "scarcity_copy"} <= set(named)
    snakemake(folder, "--dry-run", "--quiet", "all", "--configfile", config, *heads, "--", *named)


def test_all_heads_are_planned_in_jobs_of_a_layer(empty):
    printed = empty.run("--dry-run", "--config", "head=all")
    counts = dict(line.split() for line in printed.splitlines() if len(line.split()) == 2)
    shape = json.loads((ROOT / "resources/reference-model/config.json").read_text())
    assert int(counts["classify"]) == int(counts["real_text"]) == shape["n_layers"]
    assert int(counts["total"]) < 30 * shape["n_layers"]


LISTING = """
import atexit, sys
atexit.register(lambda: print("imported:", *sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_a_plan_imports_nothing_heavy(finished, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(LISTING)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    printed = finished.run("--dry-run", PYTHONPATH=path)
    imported = set(printed.rpartition("imported:")[2].split())
    assert {"snakemake", "polyhead", "pydantic"} <= imported
    assert not imported & HEAVY
