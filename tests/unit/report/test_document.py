"""The document: numbers pulled, claims guarded, no section about what a study does not have."""

import re
import shutil

import pytest
import yaml
from report_study import EMPTY, HEAD, SOURCES, TEMPLATES, built, write_study

from polyhead.errors import PolyheadError
from polyhead.files import read_csv, read_json
from polyhead.report.document import assemble

PARTS = sorted([*SOURCES.glob("*.qmd"), *SOURCES.glob("discussion/*.qmd")])
PLACED = re.compile(r"<<.*?>>|<%.*?%>|<#.*?#>|\]\(.*?\)|\{[#.:].*?\}|`[^`]*`|@\w+", re.DOTALL)
STUDIES = {
    "all": {},
    "no tasks": {"tasks": ()},
    "no edges": {"edges": False},
    "neither": {"tasks": (), "edges": False},
    "several heads": {"head": [HEAD, "1.10"]},
    "extended alone": {"taxonomies": ["extended", "post"]},
    "published": {"study": "attn-only-4l", "model": "attn-only-4l"},
}


def sections(document):
    """Return the headings of a document with the text below each, up to the next of its level or above."""
    found = list(re.finditer(r"^(#+) (.*?) \{.*\}$", document, re.MULTILINE))
    for k, heading in enumerate(found):
        ends = [other.start() for other in found[k + 1 :] if len(other[1]) <= len(heading[1])]
        yield heading[2], document[heading.end() : ends[0] if ends else len(document)].strip()


@pytest.mark.parametrize("kind", STUDIES)
def test_no_section_is_empty_and_nothing_is_unresolved(tmp_path, kind):
    document = built(tmp_path, **STUDIES[kind])
    assert all(text for _, text in sections(document))
    assert not re.findall(r"<<|<%|\bnan\b|None|Undefined", document)
    references = set(re.findall(r"@((?:fig|tbl|sec)-[\w-]+)", document))
    assert references <= set(re.findall(r"\{[^}]*#([\w-]+)", document))
    assert len(re.findall(r"#(tbl|fig)-[\w-]+", document)) == len(
        set(re.findall(r"#((?:tbl|fig)-[\w-]+)", document))
    )
    names = [name for name, _ in sections(document)]
    assert ("What depends on it" in names) == ("tasks" not in STUDIES[kind])
    assert ("What each behaviour is worth on real text" in names) == ("edges" not in STUDIES[kind])


def test_every_recorded_number_is_the_cell_that_it_names(tmp_path):
    document = built(tmp_path)
    numbers = read_json(tmp_path / "numbers.json")
    assert len(numbers) > 60
    for number in numbers:
        assert number["text"] in document
        if number["table"].endswith(".csv") and isinstance(number["row"], int):
            assert read_csv(tmp_path / number["table"]).at[number["row"], number["column"]] == number["value"]


def test_claims_are_written_for_every_head(tmp_path):
    built(tmp_path, head=[HEAD, "1.10"])
    table = read_csv(tmp_path / "claims.csv")
    assert list(table.columns) == ["head", "label", "section", "says", "answer", "numbers"]
    assert table["head"].unique().tolist() == [HEAD, "1.10"]
    assert table.set_index(["head", "label"]).at[(HEAD, "done/bigger_indentation"), "answer"] == "not asked"


def test_a_figure_without_anything_drawn_is_left_out(tmp_path):
    write_study(tmp_path)
    (tmp_path / f"heads/{HEAD}/figures/sensitivity.svg").write_text(EMPTY, encoding="utf-8")
    assemble(tmp_path, SOURCES, tmp_path / "build", TEMPLATES, "a test")
    assert "fig-sensitivity" not in (tmp_path / "build/index.qmd").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('<< v("edgse", "cost") >>', "_limits.qmd, line 3: there is no table 'edgse'"),
        (
            '<< v("distribution", "share", label="previos", taxonomy="post") >>',
            "line 3: .* no label 'previos'",
        ),
        ('<< claim("ordre") >>', "line 3: there is no claim 'ordre'"),
        ("<< nothing >>", "line 3: 'nothing' is undefined"),
        ("<% if %>", "_limits.qmd, line 3"),
    ],
)
def test_an_error_names_the_line_of_the_document(tmp_path, line, said):
    sources = tmp_path / "report"
    shutil.copytree(SOURCES, sources)
    text = (sources / "_limits.qmd").read_text(encoding="utf-8").splitlines()
    (sources / "_limits.qmd").write_text("\n".join([*text[:2], line, *text[2:]]), encoding="utf-8")
    with pytest.raises(PolyheadError, match=said):
        assemble(write_study(tmp_path / "study"), sources, tmp_path / "build", TEMPLATES, "a test")


@pytest.mark.parametrize("part", PARTS, ids=lambda path: path.name)
def test_no_number_is_typed_in_the_prose(part):
    assert not re.findall(r".*\d.*", PLACED.sub("", part.read_text(encoding="utf-8")))


def test_no_number_is_typed_in_what_a_claim_says():
    book = yaml.safe_load((SOURCES / "claims.yaml").read_text(encoding="utf-8"))
    for claim in book["claims"].values():
        said = " ".join(claim.get(each, "") for each in ("says", "yes", "no", "undecided"))
        assert not re.search(r"\d", PLACED.sub("", said))


def test_the_posts_numbers_are_judged_of_its_head_and_weights_alone(tmp_path):
    same, other = {"study": "a", "model": "attn-only-4l"}, {"study": "a"}
    assert "| differs |" in built(tmp_path / "same", **same)
    assert "| differs |" not in built(tmp_path / "other", **other)
    assert "| differs |" not in built(tmp_path / "head", **same, head=["1.5"])
