"""Whatever the workflow can be asked for can be planned, under every config; a plan imports nothing heavy."""

import os
import re
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.workflow
ROOT = Path(__file__).parents[2]
CONFIGS = [ROOT / "config.yaml", *sorted(ROOT.glob("config/*.yaml"))]
STUDIES = [path for path in CONFIGS if "study" in yaml.safe_load(path.read_text(encoding="utf-8"))]
HEAVY = {"torch", "scipy", "transformers", "transformer_lens", "matplotlib", "tokenizers", "huggingface_hub"}
"""Not pandas: Snakemake's own plugin for SLURM imports it."""


@pytest.mark.parametrize("config", STUDIES, ids=lambda path: path.stem)
def test_every_target_is_planned_under_every_config(empty, config):
    lines = empty.run("--list-target-rules", config=config).splitlines()
    targets = [name for line in lines if (name := line.partition(" (")[0]).isidentifier()]
    assert "all" in targets
    if yaml.safe_load(config.read_text(encoding="utf-8")).get("head") != "auto":  # the head is not chosen yet
        assert {"report", "claims", "archive", "list_templates"} <= set(targets)
    empty.run("--dry-run", "--quiet", "all", "--", *targets, config=config)


def test_all_heads_are_planned_with_the_model_run_once_a_stage(empty):
    planned = empty.planned("--config", "head=all")
    assert planned["label"] > 4
    assert planned["edges"] == planned["moments"] == planned["mechanism"] == 1


LISTING = """
import atexit, sys
atexit.register(lambda: print("imported:", *sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_a_plan_imports_nothing_heavy(finished, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(LISTING)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    printed = finished.run("--dry-run", PYTHONPATH=path)
    [line] = re.findall("imported: (.*)", printed)
    imported = set(line.split())
    assert {"snakemake", "polyhead", "pydantic"} <= imported
    assert not imported & HEAVY
