import browser
import pytest
from report_study import SOURCES, built

from polyhead.report.render import choose_renderer, render, with_folded_contents

pytestmark = pytest.mark.skipif(browser.program() is None, reason=browser.HOW_TO_INSTALL)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    built(folder)
    render(folder / "build", folder / "index.html", folder / "index.pdf", choose_renderer("pandoc"))
    return folder / "index.html"


@pytest.fixture(scope="module")
def page():
    with browser.browsing() as opened:
        yield opened


def test_it_opens_without_network_and_without_complaint(page, path):
    page.open(path)
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [path.as_uri()]


@pytest.mark.parametrize("width", [390, 1400])
def test_every_figure_is_seen(page, path, width):
    page.open(path, width=width)
    boxes = page.run(
        "[...document.querySelectorAll('figure svg')].map((figure) => figure.getBoundingClientRect())"
        ".map((box) => [box.width, box.height])"
    )
    assert len(boxes) >= 6
    assert all(across > 200 and down > 40 for across, down in boxes)


def test_every_entry_of_the_table_of_contents_jumps_to_its_heading(page, path):
    page.open(path)
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


@pytest.mark.parametrize("width", [320, 390, 800, 1400, 2000])
def test_only_tables_and_figures_scroll_sideways_never_the_page(page, path, width):
    page.open(path, width=width)
    assert page.run("document.documentElement.scrollWidth") <= width


def test_the_contents_stand_beside_the_text_where_there_is_room(page, path):
    page.open(path, width=1400)
    right = page.run("document.getElementById('TOC').getBoundingClientRect().right")
    assert right <= page.run("document.getElementById('sec-attends').getBoundingClientRect().left")


@pytest.mark.parametrize("width", [390, 800])
def test_in_a_narrow_window_the_finding_comes_before_the_contents_which_open_on_demand(page, path, width):
    page.open(path, width=width)
    height = "document.querySelector('#TOC').getBoundingClientRect().height"
    assert page.run(height) < 60
    assert page.run("document.querySelector('body > p').getBoundingClientRect().top") < 400
    page.run("document.querySelector('#TOC summary').click()")
    assert page.run(height) > 200


def test_beside_the_text_the_contents_are_open(page, path):
    page.open(path, width=1400)
    assert page.run("document.querySelector('#TOC details').open") is False
    assert page.run("document.querySelector('#TOC ul').checkVisibility({contentVisibilityAuto: true})")
    assert page.run("document.querySelector('#TOC ul').getBoundingClientRect().height") > 200


@pytest.mark.parametrize("width", [390, 800, 1400])
def test_the_caption_of_a_wide_table_is_read_without_scrolling(page, path, width):
    page.open(path, width=width)
    rights = "[...document.querySelectorAll('caption')].map((one) => one.getBoundingClientRect().right)"
    assert max(page.run(rights)) <= width
    assert max(page.run(rights.replace("caption", "table"))) > width or width > 390


CROWDED = """<div class="scroll"><table id="tbl-claims"><tr>
<td style="text-align: left;">A claim about the head, in a sentence as long as those of the study are.</td>
<td style="text-align: right;">unknown, previous, previous+induction</td>
<td style="text-align: right;">unknown, previous, previous+induction</td>
<td style="text-align: left;">pass</td>
<td style="text-align: left;"><code>heads/1.3/distribution.csv</code></td></tr></table></div>"""


@pytest.mark.parametrize("width", [390, 800, 1400])
def test_no_column_of_a_crowded_table_is_a_few_letters_wide(page, tmp_path, width):
    style = (SOURCES / "style.css").read_text(encoding="utf-8")
    path = tmp_path / "a.html"
    path.write_text(f"<!DOCTYPE html><style>{style}</style>{CROWDED}", encoding="utf-8")
    page.open(path, width=width)
    assert page.run("document.querySelector('tr').getBoundingClientRect().height") < 160
    assert page.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_page_in_both_schemes(page, path, scheme):
    page.open(path)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    ink, paper = page.run(
        "['color', 'backgroundColor'].map((name) => getComputedStyle(document.body)[name])"
        ".map((colour) => colour.match(/[0-9]+/g).map(Number))"
    )
    assert contrast(ink, paper) > 7
    assert (luminance(paper) < 0.1) == (scheme == "dark")


def luminance(colour):
    red, green, blue = (
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
        for c in (part / 255 for part in colour[:3])
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_what_quarto_writes_without_a_theme_looks_like_the_rest(page, tmp_path):
    style = (SOURCES / "style.css").read_text(encoding="utf-8")
    callout = "<blockquote><p><strong>Title</strong></p><p>Text.</p></blockquote>"
    contents = '<nav id="TOC"><h2 id="toc-title">Table of contents</h2><ul><li>a</li></ul></nav>'
    contents = with_folded_contents(contents)
    path = tmp_path / "a.html"
    path.write_text(f"<!DOCTYPE html><style>{style}</style>{contents}{callout}", encoding="utf-8")
    page.open(path)
    of_quote = "getComputedStyle(document.querySelector('blockquote'))"
    assert page.run(f"{of_quote}.borderLeftWidth") == "4px"
    assert page.run(f"{of_quote}.backgroundColor") != "rgba(0, 0, 0, 0)"
    assert page.run("getComputedStyle(document.querySelector('#toc-title')).display") == "none"
