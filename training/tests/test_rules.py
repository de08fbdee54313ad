"""The rules that make the reference model, on a tiny recipe in a folder of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pyarrow.parquet as pq
import pytest
import yaml
from recipes import RECIPE
from safetensors import safe_open

from polyhead.files import sha256
from training.tables import read_runs

pytestmark = [pytest.mark.workflow, pytest.mark.long]
ROOT = Path(__file__).parents[2]
TINY = {
    "corpus": {"shipped_sequences": 100, "held_out_one_in": 4},
    "tokenizer": {"vocabulary": 300, "sample_characters": 100000},
    "model": {"layers": 3, "heads": 2, "d_model": 16, "d_head": 8, "context": 32},
    "training": {
        "precision": "float32",
        "compile": False,
        "tokens": 2048,
        "tokens_per_step": 512,
        "warm_up_steps": 1,
        "evaluate_tokens": 1024,
    },
    "evaluation": {
        "prompts": 20,
        "study": {"prompts": 20, "context": 32, "selection": {"prompts": 20}, "bootstrap": 20},
    },
}
RUNS = {"one": {}, "two": {"training": {"seed": 2}}, "four": {"model": {"heads": 4, "d_head": 4}}}
MADE = "results/reference-model"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a recipe for tiny models, trained on one package."""
    folder = tmp_path_factory.mktemp("reference")
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    for section, changes in TINY.items():
        recipe[section] |= changes
    recipe |= {"runs": RUNS, "shipped_from": ["one", "two"], "compared": ["one", "four"]}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "index").mkdir()
    (folder / "corpus.lock").write_text(as_wheel(distribution("click"), folder / "index"))
    (folder / "corpus-2019.lock").write_text(as_wheel(distribution("idna"), folder / "index"))
    snakemake(folder)
    return folder


def as_wheel(package, folder):
    """Pack an installed package as a wheel again, for pip to find; return its line of a lock file."""
    path = folder / f"{package.name}-{package.version}-py3-none-any.whl"
    with ZipFile(path, "w") as wheel:
        for file in package.files:
            if file.suffix != ".pyc" and ".." not in file.parts:
                wheel.write(file.locate(), str(file))
    return f"{package.name}=={package.version} --hash=sha256:{sha256(path)}\n"


def snakemake(folder, *arguments):
    """Run the workflow; pip sees the packages of the folder only."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "training/Snakefile"),
        "--cores",
        "2",
    ]
    command += ["--directory", str(folder), "--config", "recipe=recipe.yaml", *arguments]
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "index")}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | offline)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def jobs(folder, *arguments):
    """Return the names of the rules that would run."""
    printed = snakemake(folder, "--dry-run", *arguments)
    return set(re.findall(r"^(\w+) +\d+$", printed, re.MULTILINE)) - {"total", "all"}


def test_the_corpus_holds_the_permissive_packages_and_keeps_clusters_whole(folder):
    documents = pq.read_table(folder / MADE / "corpus/documents.parquet").to_pandas()
    assert documents.groupby("package")["old"].unique().map(list).to_dict() == {
        "click": [False],
        "idna": [True],
    }
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


def test_the_run_whose_head_comes_first_is_shipped_whole(folder):
    seeds = read_runs(folder / MADE / "seeds.csv")
    chosen = folder / MADE / "runs" / seeds.loc[seeds["first"], "run"].item()
    model = folder / "resources/reference-model"
    assert json.loads((model / "config.json").read_text())["d_vocab"] == 300
    with safe_open(model / "model.safetensors", "pt") as weights:
        assert weights.get_slice("blocks.1.attn.q.weight").get_shape() == [16, 16]
    assert sha256(model / "model.safetensors") == sha256(chosen / "model/model.safetensors")
    assert len((model / "training-log.csv").read_text().splitlines()) == 3
    record = json.loads((model / "training.json").read_text())
    assert record["sha256"]["weights"] == sha256(model / "model.safetensors")
    listed = (folder / "resources/SHA256SUMS").read_text()
    assert all(name in listed for name in ("reference-model/README.md", "corpus/selection.parquet"))


def test_shapes_are_compared_and_the_card_says_so(folder):
    compared = read_runs(folder / MADE / "compare.csv")
    assert compared[["run", "heads", "d_head"]].to_numpy().tolist() == [["one", 2, 8], ["four", 4, 4]]
    assert compared["nats_per_token"].between(4, 6).all()
    card = (folder / "resources/reference-model/README.md").read_text()
    assert f"{compared['bits_per_byte'][1]:.3f}" in card


def test_nothing_is_left_to_do_even_without_snakemakes_own_records(folder):
    """Results that are copied beside another checkout, of a later date, are used as they are."""
    assert jobs(folder) == set()
    records = (folder / ".snakemake").rename(folder / "records")
    later = time.time() + 60
    for path in (*folder.glob("*.lock"), folder / "recipe.yaml"):
        os.utime(path, (later, later))
    assert jobs(folder) == set()
    shutil.rmtree(folder / ".snakemake")
    records.rename(folder / ".snakemake")


def test_a_training_goes_by_what_is_in_its_inputs_and_not_by_their_age(folder):
    later = time.time() + 60
    for path in (folder / MADE / "tokenizer.json", *(folder / MADE / "corpus").glob("*.npz")):
        os.utime(path, (later, later))
    assert "train" not in jobs(folder)
    sequences = next((folder / MADE / "corpus").glob("train-*.npz"))
    whole = sequences.read_bytes()
    sequences.write_bytes(whole + b"\0")
    assert "train" in jobs(folder)
    sequences.write_bytes(whole)


def test_a_training_is_due_when_its_recipe_changes_and_alone_when_its_run_does(folder):
    recipe = folder / "recipe.yaml"
    text = recipe.read_text()
    recipe.write_text(text.replace("d_model: 16", "d_model: 32"))
    assert {"train", "model", "card"} <= jobs(folder)
    recipe.write_text(text.replace("seed: 2", "seed: 3"))
    printed = snakemake(folder, "--dry-run", "--until", "train")
    assert re.search(r"^train +1$", printed, re.MULTILINE)
    recipe.write_text(text)


def test_another_lock_makes_the_corpus_anew(folder):
    lock = folder / "corpus.lock"
    text = lock.read_text()
    lock.write_text(f"{text}# renewed\n")
    assert {"wheels", "documents"} <= jobs(folder)
    lock.write_text(text)


def test_the_claims_of_a_study_renew_the_card_alone(folder):
    claims = folder / "results/reference/claims.csv"
    claims.parent.mkdir(parents=True)
    claims.write_text("head,label,section,says,answer,numbers\n1.0,a,aims,It does three things.,no,2\n")
    assert "card" in jobs(folder)
    snakemake(folder, "--until", "card")
    assert "It does three things." in (folder / "resources/reference-model/README.md").read_text()
