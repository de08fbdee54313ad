"""The rules that make the reference model, on a tiny recipe in a folder of its own."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from safetensors import safe_open

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
TINY = {
    "corpus": {"standard_library": False, "shipped_rows": 100, "held_out_one_in": 4},
    "tokenizer": {"vocabulary": 300, "sample_characters": 100000},
    "model": {"layers": 2, "heads": 2, "d_model": 16, "d_head": 8, "context": 32},
    "training": {
        "precision": "float32",
        "compile": False,
        "tokens": 2048,
        "tokens_per_step": 512,
        "warm_up_steps": 1,
        "evaluate_tokens": 1024,
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a recipe for a tiny model, trained on one package."""
    folder = tmp_path_factory.mktemp("reference")
    recipe = yaml.safe_load((ROOT / "config/reference-model.yaml").read_text())
    for section, changes in TINY.items():
        recipe[section] |= changes
    (folder / "config").mkdir()
    (folder / "config/reference-model.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "envs").mkdir()
    (folder / "envs/requirements.lock").write_text(f"click=={version('click')}\nhypothesis==0\n")
    snakemake(folder, "reference_corpus", "reference_model")
    return folder


def snakemake(folder, *targets):
    """Run the workflow; its study stays that of the shipped model."""
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", "2", "--directory", str(folder)]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(ROOT / "config/smoke.yaml")]
    command += ["--config", f"model={ROOT}/resources/reference-model"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def test_the_corpus_holds_the_permissive_package_alone(folder):
    documents = pq.read_table(folder / "results/reference-model/corpus/documents.parquet").to_pandas()
    assert set(documents["package"]) == {"click"}
    assert set(documents["split"]) == {"train", "held_out"}
    assert set(documents["kind"]) == {"code", "prose"}
    assert "| click |" in (folder / "resources/corpus/README.md").read_text()


def test_the_model_is_exported_with_its_config_tokenizer_and_log(folder):
    model = folder / "resources/reference-model"
    assert json.loads((model / "config.json").read_text())["d_vocab"] == 300
    with safe_open(model / "model.safetensors", "pt") as weights:
        assert weights.get_slice("blocks.1.attn.q.weight").get_shape() == [16, 16]
    assert len((model / "training-log.csv").read_text().splitlines()) == 3
    assert (folder / "resources/SHA256SUMS").read_text().count("\n") == 8


def test_nothing_is_left_to_do(folder):
    assert "Nothing to be done" in snakemake(folder, "reference_corpus", "reference_model")


def test_a_model_is_trained_further_with_its_own_tokenizer(folder, tmp_path):
    """Weights and log are enough: no checkpoint, and documents collected anew."""
    start = tmp_path / "start"
    shutil.copytree(folder / "resources/reference-model", start)
    for name in ("config", "envs"):
        shutil.copytree(folder / name, tmp_path / name)
    path = tmp_path / "config/reference-model.yaml"
    recipe = yaml.safe_load(path.read_text())
    recipe["training"] |= {"go_on_from": str(start), "tokens": 4096}
    recipe["tokenizer"]["vocabulary"] = 290
    path.write_text(yaml.safe_dump(recipe))
    snakemake(tmp_path, "reference_model")
    model = tmp_path / "resources/reference-model"
    assert (model / "tokenizer.json").read_bytes() == (start / "tokenizer.json").read_bytes()
    assert (model / "training-log.csv").read_text().startswith((start / "training-log.csv").read_text())
    assert (model / "model.safetensors").read_bytes() != (start / "model.safetensors").read_bytes()
