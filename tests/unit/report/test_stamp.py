import re

import pytest
from report_study import SOURCES, words_of, write_study

from polyhead.report.document import assemble
from polyhead.report.stamp import notice, paper_stamp, stamped

EDITED = ("heads/3.4/distribution.csv",)


def test_without_an_edit_there_is_no_stamp():
    assert (notice(()), paper_stamp(()), stamped("<body>x", ())) == ("", "", "<body>x")


def test_the_stamp_names_the_tables_and_counts_those_that_do_not_fit():
    assert notice(EDITED) == "Edited by hand: heads/3.4/distribution.csv is not what the workflow wrote."
    assert "a, b, c and 2 more are not" in notice(("a", "b", "c", "d", "e"))


def test_a_page_has_the_stamp_before_its_text():
    page = stamped("<html><body><h1>Rows</h1>", ("<a>.csv",))
    assert re.search(r"<body><p role=\"alert\"[^>]*>Edited by hand: &lt;a&gt;\.csv is .*</p><h1>", page)


@pytest.mark.parametrize("edited", [(), EDITED])
def test_the_document_and_its_paper_style_have_it_only_where_something_was_edited(tmp_path, edited):
    study = write_study(tmp_path)
    drawings = {"rulegraph.svg": study / "rulegraph.svg"}
    assemble(study, SOURCES, tmp_path / "build", drawings, "a test", {}, edited)
    stamp = "::: {.stamp}\nEdited by hand: `heads/3.4/distribution.csv` is not what\nthe workflow wrote.\n:::"
    assert (stamp in words_of(tmp_path / "build")) == bool(edited)
    assert ("Edited by hand" in (tmp_path / "build/pdf-style.typ").read_text()) == bool(edited)
