import json
from pathlib import Path

import pytest

from polyhead.errors import PolyheadError
from polyhead.files import write_json, write_text
from polyhead.study.records import check_unedited, edited, read_records, seconds_to_make, write_record


def job(folder, rule, name, outputs, inputs=(), content="1\n", started="2026-01-01T00:00:00.000+00:00"):
    """Write outputs as a job would, and its record."""
    for output in outputs:
        write_text(folder / output, content)
    paths = ([str(folder / path) for path in given] for given in (inputs, outputs))
    return write_record(rule, folder / "logs" / name, *paths, started)


@pytest.fixture
def study(tmp_path):
    """Three tables, each made from the one before it; and a folder of parts."""
    folder = tmp_path / "results/small"
    job(folder, "rows", "rows/3.4.log", ["rows.csv"], ["../../model.bin"])
    job(folder, "labels", "labels.log", ["labels.csv"], ["rows.csv"])
    job(folder, "build", "build.log", ["build/_table.md", "build/a.svg"], ["labels.csv"])
    return folder


def test_a_record_says_what_was_read_and_written_by_which_rule(study):
    record = json.loads((study / "records/rows/3.4.json").read_text())
    assert (record["rule"], record["job"], record["inputs"]) == ("rows", "rows/3.4", ["../../model.bin"])
    digest = "4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"  # of "1\n"
    assert record["outputs"] == {"rows.csv": {"sha256": digest, "bytes": 2}}


def test_of_a_folder_every_file_is_recorded(study):
    write_record("whole", study / "logs/whole.log", [], [str(study / "build")], "2026-01-01T00:00:00+00:00")
    whole = next(record for record in read_records(study) if record.rule == "whole")
    assert sorted(whole.outputs) == ["build/_table.md", "build/a.svg"]


def test_a_job_without_outputs_leaves_no_record(study):
    assert write_record("claims", study / "logs/claims.log", [], [], "2026-01-01T00:00:00+00:00") is None


def test_nothing_is_edited_after_a_run(study):
    assert edited(study) == {}
    assert check_unedited(study, [str(study / "build")]) == ()


def test_a_table_edited_by_hand_is_named_with_its_rule_and_what_to_do(study):
    (study / "rows.csv").write_text("2\n")
    with pytest.raises(PolyheadError) as refused:
        check_unedited(study, [str(study / "labels.csv")])
    lines = str(refused.value).splitlines()
    assert lines[0] == f"{study}/rows.csv was edited after the rule rows wrote it"
    assert f"rm '{study}/rows.csv'" in lines[1]
    assert "allow_edited: true" in lines[2]


def test_an_edit_is_noticed_in_what_a_folder_was_made_from(study):
    (study / "rows.csv").write_text("2\n")
    assert list(edited(study, ["build"])) == ["rows.csv"]


def test_where_it_is_allowed_the_edited_tables_are_returned(study):
    (study / "labels.csv").write_text("2\n")
    assert check_unedited(study, [str(study / "labels.csv")], allow=True) == ("labels.csv",)


def test_what_was_not_read_is_not_looked_at(study):
    (study / "labels.csv").write_text("2\n")
    assert edited(study, ["rows.csv"]) == {}


def test_a_rebuilt_table_is_no_longer_edited(study):
    (study / "rows.csv").write_text("2\n")
    job(study, "rows", "rows/3.4.log", ["rows.csv"])
    assert edited(study) == {}


def test_of_two_jobs_that_wrote_a_file_the_last_counts(study):
    job(study, "rows", "rows/3.log", ["rows.csv"], content="3\n")
    assert edited(study) == {}


def test_a_table_that_is_gone_is_not_edited(study):
    (study / "rows.csv").unlink()
    assert edited(study) == {}


def test_what_is_no_table_may_be_written_by_whoever_likes(study):
    job(study, "notebook", "notebook.log", ["explore.ipynb"])
    (study / "explore.ipynb").write_text("{}")
    assert edited(study) == {}


def test_time_counts_every_job_that_a_file_needs_once(study):
    for name, seconds in {"rows/3.4": 60, "labels": 30, "build": 5}.items():
        path = study / f"records/{name}.json"
        times = {
            "started": "2026-01-01T00:00:00+00:00",
            "ended": f"2026-01-01T00:0{seconds // 60}:{seconds % 60:02}+00:00",
        }
        write_json(path, json.loads(Path(path).read_text()) | times)
    assert seconds_to_make(read_records(study), "labels.csv") == 90
    assert seconds_to_make(read_records(study), "build/_table.md") == 95
