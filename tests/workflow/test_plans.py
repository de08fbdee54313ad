"""Whatever the workflow can be asked for can be planned, under every config; a plan imports nothing heavy."""

import os
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.workflow
ROOT = Path(__file__).parents[2]
CONFIGS = [ROOT / "config.yaml", *sorted(ROOT.glob("config/*.yaml"))]
STUDIES = [path for path in CONFIGS if "study" in yaml.safe_load(path.read_text(encoding="utf-8"))]
HEAVY = {"torch", "pandas", "transformers", "transformer_lens", "matplotlib", "tokenizers", "huggingface_hub"}


@pytest.mark.parametrize("config", STUDIES, ids=lambda path: path.stem)
def test_every_target_is_planned_under_every_config(empty, config):
    named = [line.split(" ")[0] for line in empty.run("--list-target-rules", config=config).splitlines()]
    targets = [name for name in named if name.isidentifier()]
    assert "all" in targets
    if yaml.safe_load(config.read_text(encoding="utf-8")).get("head") != "auto":  # the head is not chosen yet
        assert {"report", "claims", "archive", "list_templates"} <= set(targets)
    empty.run("--dry-run", "--quiet", "all", "--", *targets, config=config)


def test_all_heads_are_planned_with_the_model_run_once_a_stage(empty):
    printed = empty.run("--dry-run", "--config", "head=all")
    counts = dict(line.split() for line in printed.splitlines() if len(line.split()) == 2)
    assert int(counts["label"]) > 4
    assert counts["edges"] == counts["moments"] == counts["mechanism"] == "1"


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
