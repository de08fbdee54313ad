import pytest

from polyhead.errors import PolyheadError
from polyhead.render import check_html, choose_renderer, expand, write_variables

VARIABLES = {"head": {"name": "1.4"}, "share": "0.910"}


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.qmd").write_text(text, encoding="utf-8")
    return folder / "index.qmd"


def test_includes_and_variables_are_put_in(tmp_path):
    path = write(tmp_path, index="a {{< include b.qmd >}} c", b="head {{< var head.name >}}: {{<var share>}}")
    assert expand(path, VARIABLES) == "a head 1.4: 0.910 c"


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("one\n\n{{< var head.nmae >}}", "index.qmd, line 3: the variable head.nmae is not known"),
        ("{{< var head >}}", "the variable head is not known"),
        ("{{< include missing.qmd >}}", "the include missing.qmd does not exist"),
        ("{{< video film >}}", "unknown shortcode {{< video film >}}"),
        ("{{< include index.qmd >}}", "index.qmd includes itself"),
    ],
)
def test_what_stays_unresolved_is_named(tmp_path, text, culprit):
    with pytest.raises(PolyheadError) as error:
        expand(write(tmp_path, index=text), VARIABLES)
    assert culprit in str(error.value)


@pytest.mark.parametrize(
    ("page", "culprit"),
    [
        ("<p>?var:head.nmae</p>", "?var:head.nmae"),
        ("<p>{{< var x >}}</p>", "{{< var x >}}"),
        ("<p>?@fig-x</p>", "?@fig-x"),
        ('<script src="https://cdn.example/x.js"></script>', "https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="style.css">', "style.css"),
        ('<img alt="" src="figures/a.svg">', "figures/a.svg"),
        ('<a href="#nowhere">x</a>', "#nowhere"),
    ],
)
def test_a_page_that_is_not_whole_is_refused(page, culprit):
    with pytest.raises(PolyheadError) as error:
        check_html(page)
    assert culprit in str(error.value)


def test_a_whole_page_passes():
    check_html(
        '<h1 id="a">x</h1><a href="#a">x</a><img src="data:image/png;base64,AA?@x"><a href="https://x.org">'
    )


def test_numbers_keep_their_digits_in_the_variables_file(tmp_path):
    write_variables(tmp_path / "_variables.yml", {"share": "0.910"})
    assert '"0.910"' in (tmp_path / "_variables.yml").read_text()


def test_quarto_is_asked_for_and_absent(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PolyheadError, match="quarto is not on PATH"):
        choose_renderer("quarto")


def test_without_quarto_auto_means_pandoc(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_renderer("auto").name == "pandoc"
