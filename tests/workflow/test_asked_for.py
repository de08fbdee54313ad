"""Nothing is kept that was made from a file which a later run was to replace and did not."""

import re

import pytest

pytestmark = pytest.mark.workflow

ASIDE = ("logs", "benchmarks", "records")


def test_every_file_of_a_study_is_asked_for_by_name(finished):
    printed = finished.run("--dry-run", "--force", "all")
    asked = set(re.search(r"rule all:\n    input: (.*)\n", printed)[1].split(", "))
    results = finished.folder / "results/smoke"
    made = {path for path in results.rglob("*") if path.is_file() and path.parent.name != "build"}
    names = {str(path.relative_to(finished.folder)) for path in made}
    beside = re.compile(rf"results/smoke/({'|'.join(ASIDE)}|report/build)/|/examples/")
    assert {name for name in names - asked if not beside.search(name)} == set()


def test_a_failed_job_takes_what_was_made_from_its_file_with_it(finished, tmp_path):
    copy = finished.copy(tmp_path)
    labels = next(copy.folder.glob("results/smoke/heads/*/labels.parquet"))
    labels.unlink()
    assert {"classify", "distribution", "numbers", "report"} <= copy.planned()
