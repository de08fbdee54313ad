import re

import pytest
import yaml
from pypdf import PdfReader
from report_study import SOURCES

from polyhead.errors import PolyheadError
from polyhead.report.render import compile_typst, renderer_here, with_folded_contents, with_version


def test_the_contents_of_either_renderer_open_on_demand():
    contents = '<nav id="TOC" class="toc-active"><h2 id="toc-title">Contents</h2><ul></ul></nav>'
    page = with_folded_contents(f"<header>a</header>{contents}<nav><ul></ul></nav>")
    assert page.count("<details>") == page.count("</details>") == 1
    assert page.index("<nav id=") < page.index("<summary>Contents</summary>") < page.index("<h2")
    assert page.index("</ul>") < page.index("</details>") < page.index("</nav>")


def test_quarto_is_asked_for_and_absent(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PolyheadError, match="quarto is not on PATH"):
        with_version("quarto")


def test_auto_means_quarto_as_soon_as_it_is_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [renderer_here(name) for name in ("auto", "quarto", "pandoc")] == ["pandoc", "quarto", "pandoc"]
    (tmp_path / "quarto").write_text("#!/bin/sh\n")
    (tmp_path / "quarto").chmod(0o755)
    assert [renderer_here(name) for name in ("auto", "quarto", "pandoc")] == ["quarto", "quarto", "pandoc"]


@pytest.fixture
def paper(tmp_path):
    """Set Typst source under the report's style; return the pages' texts."""

    def set_paper(source):
        style = (SOURCES / "pdf-style.typ").read_text(encoding="utf-8")
        (tmp_path / "a.typ").write_text(f"{style}\n#set page(height: 12cm)\n{source}", encoding="utf-8")
        compile_typst(tmp_path / "a.typ", tmp_path / "a.pdf")
        return [page.extract_text() for page in PdfReader(tmp_path / "a.pdf").pages]

    return set_paper


def quarto_table(rows):
    """A table as Quarto writes it for Typst."""
    cells = "".join(f"[r{k}]," for k in range(rows))
    kind = 'kind: "quarto-float-tbl", supplement: "Table"'
    return f"#figure([#table(columns: 1, {cells})], caption: [About it.], {kind})"


def test_a_long_table_of_quartos_goes_on_overleaf_below_its_caption(paper):
    pages = paper(quarto_table(60))
    assert len(pages) > 1
    assert pages[0].index("About it.") < pages[0].index("r0") < pages[0].index("r5")
    assert "r59" in pages[-1]


def test_the_caption_of_quartos_table_stays_with_its_first_rows(paper):
    full = "#v(1fr)\n#block(height: 8.2cm)[above]\n"
    for page in paper(full + quarto_table(30)):
        assert ("About it." in page) == ("r0" in page.split())


CHART = '#figure(rect(width: 100%, height: 6cm), caption: [Chart.], kind: image, supplement: "Figure")'
TITLE = "title\n#pagebreak()\n"


def test_a_chart_that_does_not_fit_leaves_no_gap(paper):
    pages = paper(f"{TITLE}#block(height: 3cm)[above]\n{CHART}<fig-chart>\n\nbelow")
    assert [("below" in page, "Chart." in page) for page in pages[1:]] == [(True, False), (False, True)]


def test_pictures_of_text_stay_in_their_place(paper):
    pages = paper(f"{TITLE}#block(height: 3cm)[above]\n{CHART}<fig-example-1>\n\nbelow")
    assert [("below" in page, "Chart." in page) for page in pages[1:]] == [(False, False), (True, True)]


def test_a_chart_on_the_page_of_the_title_stays_below_it(paper):
    (page,) = paper(f"title\n\n{CHART}<fig-chart>")
    assert page.index("title") < page.index("Chart.")


def test_what_floats_stands_before_the_appendix_whose_charts_stay_between_their_texts(paper):
    small = CHART.replace("6cm", "1cm")
    pages = paper(f"{TITLE}{small}<fig-a>\n= Appendix <sec-appendix>\n\nabove\n\n{small}<fig-b>\n\nbelow")
    text = " ".join(pages)
    said = [text.index(word) for word in ("Chart.", "Appendix", "above")]
    assert said == sorted(said)
    assert text.index("above") < text.rindex("Chart.") < text.index("below")


def test_quarto_is_given_the_margins_and_colours_of_the_fallback():
    typst = yaml.safe_load((SOURCES / "_quarto.yml").read_text(encoding="utf-8"))["format"]["typst"]
    template = (SOURCES / "pdf.typ").read_text(encoding="utf-8")
    margin = ", ".join(f"{side}: {size}" for side, size in typst["margin"].items())
    assert f"margin: ({margin})" in template
    accent = re.search(r'#let accent = rgb\("(.*?)"\)', (SOURCES / "pdf-style.typ").read_text("utf-8"))[1]
    assert typst["linkcolor"] == typst["citecolor"] == accent
