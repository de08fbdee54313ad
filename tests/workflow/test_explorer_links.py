"""Every link from the report to the explorer leads to its row."""

import html
import re
from urllib.parse import parse_qs

import browser
import pytest

pytestmark = [pytest.mark.workflow, browser.needed]


def test_every_link_from_the_report_leads_to_its_row(finished):
    folder = finished.folder / "results/smoke/report"
    text = (folder / "index.html").read_text(encoding="utf-8")
    links = {html.unescape(link) for link in re.findall(r'href="explorer\.html(#[^"]*)"', text)}
    assert any("position=" in link for link in links)
    with browser.browsing() as page:
        for link in links:
            page.open(folder / "explorer.html", link)
            assert page.text("warning") == "", link
            wanted = {name: values[0] for name, values in parse_qs(link[1:]).items()}
            shown = {name: values[0] for name, values in parse_qs(page.run("location.hash")[1:]).items()}
            assert wanted.items() <= shown.items()
