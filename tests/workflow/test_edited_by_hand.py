"""A table edited by hand is named, and nothing is reported from it; claims about the study are checked."""

import os
import zipfile

import pytest

from polyhead.report.claims_table import read_lines

pytestmark = pytest.mark.workflow
ALLOW = ("--config", "report={allow_edited: true, renderer: pandoc}")


def table(workflow):
    return next(workflow.folder.glob("results/smoke/heads/*/distribution.csv"))


def edit(path, keep_time=False):
    """Change the first share of a table; return its content before."""
    before, times = path.read_bytes(), path.stat()
    head, line, rest = path.read_text(encoding="utf-8").split("\n", 2)
    cells = line.split(",")
    cells[head.split(",").index("share")] = "0.987654321"
    path.write_text("\n".join([head, ",".join(cells), rest]), encoding="utf-8")
    if keep_time:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return before


def test_an_edited_table_stops_claims_and_report_whatever_its_time_says(finished, tmp_path):
    copy = finished.copy(tmp_path)
    edit(table(copy), keep_time=True)
    name = table(copy).relative_to(copy.folder)
    assert f"{name} was edited after the rule distribution wrote it" in copy.run("--", "claims", status=1)
    table(copy).touch()
    printed = copy.run(status=1)
    assert f"numbers: {name} was edited after the rule distribution wrote it" in printed
    assert "Traceback" not in printed


@pytest.mark.long
def test_an_edited_table_is_reported_where_that_is_allowed_and_no_more_when_it_is_rebuilt(finished, tmp_path):
    copy = finished.copy(tmp_path)
    before = edit(table(copy))
    copy.run(*ALLOW)
    for page in ("index.html", "explorer.html"):
        text = (copy.folder / "results/smoke/report" / page).read_text(encoding="utf-8")
        assert "Edited by hand" in text
    table(copy).unlink()
    copy.run()
    assert table(copy).read_bytes() == before
    report = (copy.folder / "results/smoke/report/index.html").read_text(encoding="utf-8")
    assert "Edited by hand" not in report


def test_claims_about_the_smoke_study_pass_and_it_is_packed_with_its_report_and_tables(finished, tmp_path):
    copy = finished.copy(tmp_path)
    printed = copy.run("--", "claims", "archive")
    assert "Claims about the study smoke" in printed
    lines = read_lines(copy.folder / "results/smoke/claims.csv")
    assert len(lines) >= 5
    assert {line.verdict for line in lines} == {"pass"}
    names = zipfile.ZipFile(copy.folder / "results/smoke/archive/smoke.zip").namelist()
    assert {"ro-crate-metadata.json", "results/report/index.html", "results/numbers.json"} <= set(names)
    assert f"results/{table(copy).relative_to(copy.folder / 'results/smoke')}" in names
