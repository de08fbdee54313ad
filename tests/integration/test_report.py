"""The document, rendered: the same numbers, captions and references as a page and on paper."""

import re
import shutil

import pytest
from pypdf import PdfReader
from report_study import HEAD, built
from whole_page import faults

from polyhead.errors import PolyheadError
from polyhead.files import read_json
from polyhead.report.render import render, render_pandoc, renderer_here, with_version


def made(folder):
    """Render and return the page's markup and the PDF's text, with every kind of space as one space."""
    html, pdf = folder / "index.html", folder / "index.pdf"
    render(folder / "build", html, pdf, "pandoc")
    text = " ".join(page.extract_text() for page in PdfReader(pdf).pages)
    return html.read_text(encoding="utf-8"), re.sub(r"\s+", " ", text)


def words(page):
    """Return a page's text without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page)).replace("&lt;", "<")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    built(folder)
    return folder


@pytest.fixture(scope="module")
def documents(study):
    return made(study)


def test_every_recorded_number_is_in_the_page_and_in_the_pdf(study, documents):
    page, paper = words(documents[0]), documents[1].replace(" ", "")
    recorded = [each for each in read_json(study / "numbers.json") if not isinstance(each["value"], str)]
    assert len(recorded) > 40
    for each in recorded:
        assert re.sub(r"\s+", " ", each["text"]) in page, each
        assert re.sub(r"\s", "", each["text"]) in paper, each


def test_figures_are_described_in_the_pdf_too(study, tmp_path):
    shutil.copytree(study / "build", tmp_path / "build")
    render_pandoc(tmp_path / "build")
    source = (tmp_path / "build" / "index.typ").read_text(encoding="utf-8")
    assert source.count("image(") == len(re.findall(r'image\([^()]*alt: "[^"]{10,}', source)) > 5


def test_both_documents_have_the_same_captions(documents):
    page, paper = words(documents[0]), documents[1]
    for kind in ("Figure", "Table"):
        numbered = list(dict.fromkeys(re.findall(rf"{kind} (\d+)\. \w+", page)))
        assert numbered == [str(k + 1) for k in range(len(numbered))]
        printed = sorted(map(int, set(re.findall(rf"{kind} (\d+)\. \w+", paper))))
        assert [str(k) for k in printed] == numbered[: len(printed)], "more examples stand at the page's end"
        assert len(numbered) >= 5


def test_the_page_is_whole(documents):
    page = documents[0]
    assert faults(page) == []
    contents = re.search(r'<nav id="TOC".*?</nav>', page, re.DOTALL)[0]
    targets = re.findall(r'href="#([^"]+)"', contents)
    assert {"sec-attends", "sec-limits", "sec-tasks", "sec-claims", "sec-made"} <= set(targets)
    assert all(f'id="{target}"' in page for target in targets)
    assert "Janiak et al. (2023)" in words(page), "citations are resolved"
    pictures = re.findall(r"<svg\b.*?</svg>", page, re.DOTALL)
    assert len(pictures) == len(re.findall(r"<svg\b[^>]*aria-label=\"[^\"]{10,}\"", page)) > 5
    assert all("<text" in picture for picture in pictures)


def test_the_pdf_has_pages_a_title_and_an_outline(study, documents):
    pdf = PdfReader(study / "index.pdf")
    assert 3 <= len(pdf.pages) <= 14
    assert pdf.metadata.title == f"What attention head {HEAD} does"
    assert len(pdf.outline) >= 8


@pytest.mark.parametrize(
    ("line", "culprit"),
    [
        ("See @fig-nowhere.", "fig-nowhere"),
        ("As in @nobody1999.", "nobody1999"),
        ("![A caption](figures/none.svg){#fig-none fig-alt='Nothing.'}", "figures/none.svg"),
        ("![A caption](figures/edges.svg){#fig-silent}", "no fig-alt"),
        ("![A caption](figures/edges.svg){#fig-edges fig-alt='Again.'}", "fig-edges is used twice"),
    ],
)
def test_what_cannot_be_resolved_stops_the_rendering_and_is_named(study, tmp_path, line, culprit):
    shutil.copytree(study / "build", tmp_path / "build")
    with (tmp_path / "build" / "index.qmd").open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    with pytest.raises(PolyheadError) as error:
        made(tmp_path)
    assert culprit in str(error.value)
    assert not (tmp_path / "index.html").exists()


@pytest.fixture
def quarto(study, tmp_path, monkeypatch):
    """Render with a `quarto` that writes what it was asked for, says something, and ends with a status."""

    def rendered(says="", status=0):
        program = tmp_path / "quarto"
        (tmp_path / "says").write_text(says, encoding="utf-8")
        program.write_text(
            "#!/bin/sh\n"
            '[ "$1" = --version ] && echo 9.9 && exit\n'
            f"cat {tmp_path}/says >&2\n"
            f'[ "$5" = --columns=400 ] || exit 9\n'
            f"[ {status} = 0 ] || exit {status}\n"
            '[ "$4" = html ] && grep -c "a test on" "$2" > index.html || echo paper > index.pdf\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        assert with_version(renderer_here("auto")) == "Quarto 9.9"
        render(study / "build", tmp_path / "i.html", tmp_path / "i.pdf", "quarto")
        return (tmp_path / "i.html").read_text() + (tmp_path / "i.pdf").read_text()

    return rendered


STACK = "".join(f"    at frame{k} (file:///quarto.js:{k}:1)\n" for k in range(30))
FAILURE = f"pandoc index.md\n\x1b[1m\x1b[31mERROR\x1b[39m\x1b[22m: no such filter x.lua\n\nStack:\n{STACK}"
UNRESOLVED = "Unable to resolve crossref @fig-nowhere\n"


def test_quarto_is_used_where_it_is_installed(quarto):
    assert quarto() == "1\npaper\n"


@pytest.mark.parametrize(
    ("says", "status", "told"),
    [
        (f"WARN: {UNRESOLVED}", 0, r"Quarto: WARN.*fig-nowhere"),
        (f"\x1b[33mWARNING\x1b[39m {UNRESOLVED}", 0, r"Quarto: WARN.*fig-nowhere"),
        (FAILURE, 1, "no such filter"),
    ],
)
def test_of_quartos_warnings_and_failures_the_error_is_told_not_the_stack(quarto, says, status, told):
    with pytest.raises(PolyheadError, match=told) as error:
        quarto(says, status)
    assert not re.search(r"\x1b|frame", str(error.value))


def test_rendering_leaves_its_source_as_it_was(study, documents):
    before = {path: path.read_bytes() for path in (study / "build").rglob("*") if path.is_file()}
    made(study)
    assert before == {path: path.read_bytes() for path in (study / "build").rglob("*") if path.is_file()}
