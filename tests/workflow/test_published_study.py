"""config/attn-only-4l.yaml as it stands, run against a hub on loopback; only sizes differ."""

import json
import os
import subprocess
import sys
from pathlib import Path

import published
import pyarrow.parquet as pq
import pytest
import yaml
from hub_server import COMMIT, Hub

from polyhead.files import read_csv, read_json, sha256

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config/attn-only-4l.yaml"
DATASET_COMMIT = "b7479f18ce44afc58adf70e33ac7aa7be7e37257"
SMALLER = (
    "prompts=12",
    "shard_prompts=12",
    "bootstrap=20",
    f"model={json.dumps({'shape': published.SIZES})}",
    f"corpus={json.dumps({'sequences': 120})}",
    "atlas_prompts=2",
    f"ablation={json.dumps({'real_text_prompts': 2})}",
    *(f"{stage}={json.dumps({'prompts': 2})}" for stage in ("selection", "edges", "mechanism")),
    f"destination_tokens={json.dumps({'minimum_rows': 20})}",
)

pytestmark = pytest.mark.workflow


@pytest.fixture
def hub(tmp_path):
    root = tmp_path / "hub"
    published.write_model(root / "models" / published.MODEL)
    published.write_tokenizer(root / "models" / published.TOKENIZER, ROOT / "config/templates.yaml")
    published.write_parts(root / "datasets" / published.DATASET, published.sequences())
    hub = Hub(root)
    yield hub
    hub.stop()


def run(folder, endpoint, *arguments, changes=()):
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "2"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", folder, "--configfile", CONFIG]
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "huggingface")}
    command += ["--config", *SMALLER, *changes]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.long
def test_it_runs_from_the_hub_to_the_report(tmp_path, hub):
    ran = run(tmp_path, hub.url)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    results = tmp_path / "results/attn-only-4l"
    page = " ".join((results / "report/index.html").read_text(encoding="utf-8").split())
    assert "This is the head of the post" in page
    assert "Its weights are not known to be the post" in page
    assert len(read_csv(results / "claims.csv")) > 10
    ablated = read_csv(results / "heads/1.4/ablation.csv")
    templates = yaml.safe_load((ROOT / "config/templates.yaml").read_text(encoding="utf-8"))["templates"]
    assert list(dict.fromkeys(ablated["task"])) == list(templates)
    table = read_csv(results / "heads/1.4/distribution.csv")
    everything = table[(table["taxonomy"] == "post") & (table["token_label"] == "all")]
    assert everything["rows"].sum() == 12 * 1023
    assert everything["share"].sum() == pytest.approx(1)
    source = read_json(results / "model/source.json")
    weights = next(file for file in source["files"] if file["file"] == "model_final.pth")
    assert source["commit"] == COMMIT
    assert weights["sha256"] == sha256(hub.root / "models" / published.MODEL / "model_final.pth")
    assert source["tokenizer"]["commit"] == "0f6671571a20be9756b9991d978047c03b75e749"
    sampling = read_json(results / "sampling.json")
    assert sampling["commit"] == DATASET_COMMIT
    assert (sampling["method"], sampling["sequences_available"]) == ("row groups", 120)
    sequences = published.sequences()
    for prompt in pq.read_table(results / "prompts.parquet").to_pylist():
        assert prompt["tokens"] == sequences[prompt["sequence"]].tolist()
        assert prompt["source"].startswith("data/train-0000")


def test_a_second_study_of_the_same_sequences_needs_no_network(tmp_path, hub):
    assert run(tmp_path, hub.url, "results/attn-only-4l/prompts.parquet").returncode == 0
    sent = len(hub.sent)
    again = run(tmp_path, "http://127.0.0.1:9", "results/second/prompts.parquet", changes=["study=second"])
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(hub.sent) == sent
    first, second = (tmp_path / "results" / name / "prompts.parquet" for name in ("attn-only-4l", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_without_a_hub_it_ends_with_one_message(tmp_path):
    ran = run(tmp_path, "http://127.0.0.1:9", "results/attn-only-4l/model/source.json")
    printed = ran.stdout + ran.stderr
    assert ran.returncode != 0
    said = [line for line in printed.splitlines() if "cannot fetch" in line]
    assert len(said) == 1
    assert "config.json of the model NeelNanda/Attn_Only_4L512W_C4_Code at revision main" in said[0]
    assert "HF_HOME" in printed
    assert "Traceback" not in printed
