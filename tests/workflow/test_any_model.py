"""A user's own model and text: a random GPT-2 and a folder of files go through the whole study."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
from decoders import random_model

from polyhead.config import StudyConfig
from polyhead.files import read_csv, read_json

pytestmark = [pytest.mark.workflow, pytest.mark.long]

HEAD = "1.2"


@pytest.fixture(scope="module")
def study(workflow_in, tmp_path_factory):
    """The smoke study of it."""
    workflow = workflow_in(tmp_path_factory.mktemp("mine"))
    model, text = workflow.folder / "gpt2", workflow.folder / "text"
    random_model("gpt2", vocab_size=4096, n_positions=160).save_pretrained(model)
    reference = workflow.checkout / StudyConfig.model_fields["model"].default
    shutil.copyfile(reference / "tokenizer.json", model / "tokenizer.json")
    shutil.copytree(workflow.checkout / "src/polyhead", text, ignore=shutil.ignore_patterns("__pycache__"))
    (text / "latin.py").write_bytes("x = 'ä'\n".encode("latin-1"))
    (text / "empty.py").write_bytes(b"")
    (text / "long.txt").write_text("value " * 2**18)
    workflow.run("--config", "study=mine", "model=gpt2", f"head={HEAD}", "corpus={text: text}")
    return workflow.folder / "results/mine"


def test_the_report_says_what_was_read(study):
    page = (study / "report/index.html").read_text()
    packed = read_json(study / "corpus/held_out.json")
    said = f"packed from {packed['documents']:,} documents of text with the model"
    assert said in " ".join(page.split())
    assert packed["left_out"] == {"empty": 1, "binary, or not UTF-8": 1}
    assert (study / "report/index.pdf").read_bytes().startswith(b"%PDF")


def test_every_stage_has_its_tables(study):
    of_head = study / "heads" / HEAD
    runs = read_csv(of_head / "ablation.csv")
    assert set(runs["task"]) == {"previous", "same_depth"}
    assert {"clean", "ablated"} <= set(runs["run"])
    for name in ("distribution", "sensitivity", "ablation_positions", "mechanism/needs"):
        assert len(read_csv(of_head / f"{name}.csv")), name
    assert (of_head / "moments.csv").exists()
    assert len(read_csv(study / "verdicts.csv")) == 12
    assert read_json(study / "selection.json")["considered"][0]["rank"] == 1


def test_a_head_is_chosen_on_other_documents(study):
    splits = [pq.read_table(study / f"corpus/{name}.parquet") for name in ("held_out", "selection")]
    report, choosing = ({d for row in one["documents"].to_pylist() for d in row} for one in splits)
    assert report
    assert choosing
    assert not report & choosing


def test_where_everything_is_from_is_recorded(study):
    record = read_json(study / "provenance.json")
    assert record["model"]["n_layers"] == 3
    assert record["model_source"]["repo"] == "gpt2"
    assert any(path.endswith("corpus/held_out.parquet") for path in record["files"])
    assert json.dumps(record)
