"""The rules that make the reference model, on a tiny recipe in a folder of its own."""

import json
import os
import re
import subprocess
import sys
import time
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors import safe_open

from polyhead.files import sha256

pytestmark = [pytest.mark.workflow, pytest.mark.long]
ROOT = Path(__file__).parents[2]
TINY = {
    "corpus": {"shipped_sequences": 100, "held_out_one_in": 4},
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


SCARCITY = ("scarcity", "scarcity_probes", "scarcity_copy")
HEADS = {"layers": 1, "heads": 2, "d_model": 16, "d_head": 8, "context": 32}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with recipes for tiny models, trained on one package."""
    folder = tmp_path_factory.mktemp("reference")
    recipe = yaml.safe_load((ROOT / "config/reference-model.yaml").read_text())
    for section, changes in TINY.items():
        recipe[section] |= changes
    variants = yaml.safe_load((ROOT / "config/scarcity.yaml").read_text())
    variants |= {"model": HEADS, "training": variants["training"] | TINY["training"]}
    variants |= {"variants": {"two": {}, "four": {"model": {"heads": 4, "d_head": 4}}}}
    variants |= {"probes": {"adamw": {"training": {"optimiser": "adamw"}}}}
    variants["measures"] |= {"prompts": 20, "bootstrap": 20, "partitions": 50}
    (folder / "config").mkdir()
    (folder / "config/reference-model.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "config/scarcity.yaml").write_text(yaml.safe_dump(variants))
    (folder / "envs").mkdir()
    (folder / "index").mkdir()
    (folder / "envs/corpus.lock").write_text(as_wheel(distribution("click"), folder / "index"))
    snakemake(folder, "reference_corpus", "reference_model", *SCARCITY)
    return folder


def as_wheel(package, folder):
    """Pack an installed package as a wheel again, for pip to find; return its line of a lock file."""
    path = folder / f"{package.name}-{package.version}-py3-none-any.whl"
    with ZipFile(path, "w") as wheel:
        for file in package.files:
            if file.suffix != ".pyc" and ".." not in file.parts:
                wheel.write(file.locate(), str(file))
    return f"{package.name}=={package.version} --hash=sha256:{sha256(path)}\n"


def snakemake(folder, *targets):
    """Run the workflow; its study is the shipped model's, and pip sees the packages of the folder only."""
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", "2", "--directory", str(folder)]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(ROOT / "config/smoke.yaml")]
    command += ["--config", f"model={ROOT}/resources/reference-model"]
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "index")}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | offline)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def test_the_corpus_holds_the_permissive_package_alone(folder):
    documents = pq.read_table(folder / "results/reference-model/corpus/documents.parquet").to_pandas()
    assert set(documents["package"]) == {"click"}
    assert set(documents["split"]) == {"train", "held_out"}
    assert set(documents["source_type"]) == {"code", "prose"}
    assert (documents.groupby("cluster")["split"].nunique() == 1).all()
    assert "| click |" in (folder / "resources/corpus/README.md").read_text()


def test_what_is_shipped_keeps_the_splits_apart(folder):
    shipped = folder / "resources/corpus"
    split = pq.read_table(shipped / "documents.parquet").to_pandas().set_index("id")["split"]
    for name, expected in (("held_out", "held_out"), ("selection", "train")):
        table = pq.read_table(shipped / f"{name}.parquet").to_pandas()
        assert {len(tokens) for tokens in table["tokens"]} == {32}
        assert set(split[table["documents"].explode()]) == {expected}
        assert table["starts"].map(len).equals(table["documents"].map(len))


def test_the_model_is_exported_with_its_config_tokenizer_and_log(folder):
    model = folder / "resources/reference-model"
    assert json.loads((model / "config.json").read_text())["d_vocab"] == 300
    with safe_open(model / "model.safetensors", "pt") as weights:
        assert weights.get_slice("blocks.1.attn.q.weight").get_shape() == [16, 16]
    assert len((model / "training-log.csv").read_text().splitlines()) == 3
    assert json.loads((model / "training.json").read_text())["runs"] == 1
    assert (folder / "resources/SHA256SUMS").read_text().count("\n") == 18


def test_every_variant_is_a_model_of_its_own(folder):
    scarcity = folder / "results/reference-model/scarcity"
    configs = [json.loads((scarcity / name / "model/config.json").read_text()) for name in ("two", "four")]
    assert [config["n_heads"] for config in configs] == [2, 4]
    records = [json.loads((scarcity / name / "model/training.json").read_text()) for name in ("two", "four")]
    assert records[0]["sha256"]["corpus"] == records[1]["sha256"]["corpus"]
    assert records[0]["sha256"]["recipe"] != records[1]["sha256"]["recipe"]


def test_the_variants_are_compared_with_merged_heads_and_kept_in_the_checkout(folder):
    made, kept = folder / "results/reference-model/scarcity", folder / "resources/scarcity"
    table, probes = pd.read_csv(kept / "scarcity.csv"), pd.read_csv(kept / "probes.csv")
    assert table["variant"].tolist() == ["two", "four"]
    assert probes["variant"].tolist() == ["two", "adamw"], "the recipe as it is comes first"
    assert list(table.columns[: len(probes.columns)]) == list(probes.columns)
    changes = json.loads((kept / "probes.json").read_text())["changes"]
    assert changes == {"two": {}, "adamw": {"training": {"optimiser": "adamw"}}}
    assert len(pd.read_csv(kept / "scarcity_heads.csv")) == 2 + 4
    assert table["answer"].isna().tolist() == [False, True]
    answer = json.loads((kept / "scarcity.json").read_text())
    assert answer["answer"] == answer["answer_by_heads"]["2"] == table["answer"][0]
    weights = made / "four/model/model.safetensors"
    assert answer["models"]["four"]["sha256"]["weights"] == sha256(weights)
    ends = {"scarcity": (".csv", "_heads.csv", "_merged.csv", ".json", ".svg")}
    ends["probes"] = (".csv", "_heads.csv", ".json")
    names = {f"{name}{end}" for name, of_name in ends.items() for end in of_name}
    assert {path.name for path in kept.iterdir()} == {"README.md", *names}


def test_nothing_is_left_to_do(folder):
    assert "Nothing to be done" in snakemake(folder, "reference_corpus", "reference_model", *SCARCITY)


def planned(folder, *targets):
    """Return what would be done, each job with why."""
    return snakemake(folder, *targets, "--dry-run")


def test_a_training_goes_by_what_is_in_its_inputs_and_not_by_their_age_or_the_code(folder):
    made, models = folder / "results/reference-model", ("reference_model", "scarcity")
    later = time.time() + 60
    for path in (made / "tokenizer.json", *(made / "corpus").glob("*.npz")):
        os.utime(path, (later, later))
    assert "Nothing to be done" in planned(folder, *models)
    weights = str((made / "weights.pt").relative_to(folder))
    summary = snakemake(folder, weights, "--detailed-summary")
    inputs = next(line for line in summary.splitlines() if line.startswith(f"{weights}\t"))
    assert "corpus/train-32.npz" in inputs
    assert ".py" not in inputs


def test_a_training_is_due_when_corpus_or_recipe_change(folder):
    sequences = next(folder.glob("results/reference-model/corpus/train-*.npz"))
    whole, recipe = sequences.read_bytes(), folder / "config/reference-model.yaml"
    sequences.write_bytes(whole + b"\0")
    assert {"reference_train", "scarcity_model"} <= jobs(planned(folder, "reference_model", "scarcity"))
    sequences.write_bytes(whole)
    assert "Nothing to be done" in planned(folder, "reference_model", "scarcity")
    text = recipe.read_text()
    recipe.write_text(text.replace("d_model: 16", "d_model: 32"))
    assert "reference_train" in jobs(planned(folder, "reference_model"))
    recipe.write_text(text)


def test_a_model_that_is_missing_is_planned_together_with_the_corpus_that_it_waits_for(folder):
    weights = folder / "results/reference-model/scarcity/four/model/model.safetensors"
    lock = folder / "envs/corpus.lock"
    text, aside = lock.read_text(), weights.rename(weights.with_name("aside"))
    lock.write_text(f"{text}# renewed\n")
    assert {"reference_documents", "scarcity_model"} <= jobs(planned(folder, "scarcity"))
    aside.rename(weights)
    lock.write_text(text)
    assert "Nothing to be done" in planned(folder, "scarcity")


def jobs(printed):
    """Return the names of the rules in the table of jobs."""
    return set(re.findall(r"^(\w+) +\d+$", printed, re.MULTILINE)) - {"total"}
