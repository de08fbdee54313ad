"""The DAG on the smoke study: what runs, what does not run again, what is refused."""

import hashlib
import json

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.workflow


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_first_run_builds_every_stage(finished):
    results = finished.folder / "results/smoke"
    head = results / f"heads/{json.loads((results / 'provenance.json').read_text())['config']['head'][0]}"
    assert pq.read_metadata(results / "prompts.parquet").num_rows == 24
    rows = sum(pq.read_metadata(path).num_rows for path in (head / "rows").glob("*.parquet"))
    assert rows == pq.read_metadata(head / "labels.parquet").num_rows == 24 * 95
    for name in ("distribution.csv", "examples.json", "ablation.csv"):
        assert (head / name).stat().st_size > 0
    assert json.loads((results / "numbers.json").read_text())
    assert (results / "report/index.html").read_text().startswith("<!DOCTYPE html>")
    assert (results / "report/index.pdf").read_bytes().startswith(b"%PDF")


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.run()


def test_a_changed_threshold_reruns_labels_and_what_follows_but_not_the_model(finished):
    planned = finished.planned("--config", "threshold=0.9")
    assert {"label", "attention", "attention_figures", "document", "report"} <= planned.keys()
    assert not planned.keys() & {"sample", "rows"}


def test_another_seed_reruns_the_model_and_another_head_keeps_the_sample(finished):
    assert finished.planned("--config", "seed=1").keys() >= {"sample", "rows"}
    planned = finished.planned("--config", "head=2.1")
    assert {"rows", "label"} <= planned.keys()
    assert "sample" not in planned


def test_a_changed_renderer_reruns_only_the_report(finished):
    planned = finished.planned("--config", "report={renderer: pandoc}")
    assert planned.keys() <= {"all", "provenance", "document", "report"}


def test_a_second_study_does_not_disturb_the_first(finished):
    before = contents(finished.folder / "results/smoke")
    arguments = ["--config", "study=second", "head=2.1", "prompts=12"]
    finished.run("--until", "attention", *arguments)
    assert (finished.folder / "results/second/heads/2.1/distribution.csv").exists()
    assert contents(finished.folder / "results/smoke") == before
