"""The report's page in a browser: on a phone, on a desk, in both colour schemes."""

import browser
import pytest
from report_study import SOURCES, built
from saved_figure import contrast, luminance

from polyhead.report.render import render, with_folded_contents

pytestmark = browser.needed
WIDE = "document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    built(folder)
    render(folder / "build", folder / "index.html", folder / "index.pdf", "pandoc")
    return folder / "index.html"


def styled(folder, body):
    """Write a page of this body with the report's style."""
    style = (SOURCES / "style.css").read_text(encoding="utf-8")
    path = folder / "a.html"
    path.write_text(f"<!DOCTYPE html><style>{style}</style>{body}", encoding="utf-8")
    return path


def test_every_entry_of_the_table_of_contents_jumps_to_its_heading(page, path):
    page.open(path)
    page.loads_only(path)
    tops = page.run(
        """(async () => {
          document.documentElement.style.scrollBehavior = "auto";
          const tops = [];
          for (const link of document.querySelectorAll("#TOC a")) {
            link.click();
            await new Promise(requestAnimationFrame);
            const target = document.getElementById(decodeURIComponent(link.hash.slice(1)));
            const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
            tops.push([target.textContent, atEnd ? 0 : target.getBoundingClientRect().top]);
          }
          return tops;
        })()"""
    )
    assert len(tops) > 6
    assert all(0 <= top < 40 for _, top in tops), tops


@pytest.mark.parametrize("width", [320, 390, 800, 1400])
def test_figures_and_captions_are_seen_and_the_page_never_scrolls_sideways(page, path, width):
    page.open(path, width=width)
    assert page.run(WIDE) <= width
    boxes = page.run(
        "[...document.querySelectorAll('figure svg')].map((figure) => figure.getBoundingClientRect())"
        ".map((box) => [box.width, box.height])"
    )
    assert len(boxes) >= 6
    assert all(across > 200 and down > 40 for across, down in boxes)
    rights = "[...document.querySelectorAll('caption')].map((one) => one.getBoundingClientRect().right)"
    assert max(page.run(rights)) <= width
    assert max(page.run(rights.replace("caption", "table"))) > width or width > 390


def test_the_contents_stand_open_beside_the_text_where_there_is_room(page, path):
    page.open(path, width=1400)
    assert page.box("#TOC")["right"] <= page.box("#sec-attends")["left"]
    assert page.run("document.querySelector('#TOC ul').checkVisibility({contentVisibilityAuto: true})")
    assert page.box("#TOC ul")["height"] > 200


@pytest.mark.parametrize("width", [390, 800])
def test_in_a_narrow_window_the_finding_comes_before_the_contents_which_open_on_demand(page, path, width):
    page.open(path, width=width)
    assert page.box("#TOC")["height"] < 60
    assert page.box("body > p")["top"] < 400
    page.run("document.querySelector('#TOC summary').click()")
    assert page.box("#TOC")["height"] > 200


CROWDED = """<div class="scroll"><table id="tbl-claims"><tr>
<td style="text-align: left;">A claim about the head, in a sentence as long as those of the study are.</td>
<td style="text-align: right;">unknown, previous, previous+induction</td>
<td style="text-align: right;">unknown, previous, previous+induction</td>
<td style="text-align: left;">pass</td>
<td style="text-align: left;"><code>heads/1.3/distribution.csv</code></td></tr></table></div>"""


@pytest.mark.parametrize("width", [390, 1400])
def test_no_column_of_a_crowded_table_is_a_few_letters_wide(page, tmp_path, width):
    page.open(styled(tmp_path, CROWDED), width=width)
    assert page.box("tr")["height"] < 160
    assert page.run(WIDE) <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_page_in_both_schemes(page, path, scheme):
    page.open(path, scheme=scheme)
    ink, paper = page.colours()
    assert contrast(ink, paper) > 7
    assert (luminance(paper) < 0.1) == (scheme == "dark")


def test_what_quarto_writes_without_a_theme_looks_like_the_rest(page, tmp_path):
    contents = '<nav id="TOC"><h2 id="toc-title">Table of contents</h2><ul><li>a</li></ul></nav>'
    callout = "<blockquote><p><strong>Title</strong></p><p>Text.</p></blockquote>"
    page.open(styled(tmp_path, with_folded_contents(contents) + callout))
    of_quote = "getComputedStyle(document.querySelector('blockquote'))"
    assert page.run(f"{of_quote}.borderLeftWidth") == "4px"
    assert page.run(f"{of_quote}.backgroundColor") != "rgba(0, 0, 0, 0)"
    assert page.run("getComputedStyle(document.querySelector('#toc-title')).display") == "none"
