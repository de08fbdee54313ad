"""Conditions on numbers are answered by intervals; what is said follows the answer."""

import io
import re

import pytest
import yaml
from report_study import HEAD, SOURCES, WEIGHTS, write_study
from rich.console import Console

from polyhead.errors import PolyheadError
from polyhead.prompts.templates import read_templates
from polyhead.report.claims import Claims, answer, print_claims
from polyhead.report.values import NotAskedError, Number, Values

NUMBERS = {
    "large": Number(0.5, 0.4, 0.6),
    "small": Number(0.1, 0.05, 0.15),
    "wide": Number(0.3, 0.1, 0.9),
    "bare": Number(0.2),
    "verdict": Number("polysemantic"),
    "open": Number("undecided"),
    "unasked": Number("not asked"),
    "unmeasured": Number(float("nan")),
}


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ("large > small", "yes"),
        ("small > large", "no"),
        ("large > wide", "undecided"),
        ("large > small > wide", "undecided"),
        ("small > large > wide", "no"),
        ("large > 0.4", "undecided"),
        ("0.05 > large", "no"),
        ("0.2 > small and large > 0.2", "yes"),
        ("-0.05 > small", "no"),
        ("large > bare", "undecided"),
        ("verdict is polysemantic", "yes"),
        ("verdict is none", "no"),
        ("open is polysemantic", "undecided"),
        ("large > small and verdict is none", "no"),
    ],
)
def test_answers_go_by_intervals(when, wanted):
    assert answer(when, NUMBERS.__getitem__) == wanted


@pytest.mark.parametrize("when", ["unasked is yes", "unmeasured > 0.1"])
def test_what_was_not_measured_is_not_asked(when):
    with pytest.raises(NotAskedError):
        answer(when, NUMBERS.__getitem__)


def test_a_condition_that_compares_nothing_is_an_error():
    with pytest.raises(PolyheadError, match="compares nothing"):
        answer("large", NUMBERS.__getitem__)


SAID = "It is, << number('share of previous') >>."
BOOK = {
    "numbers": {
        "share of {label}": {
            **{"table": "distribution", "column": "share", "form": "percent", "absent": "label"},
            "where": {"taxonomy": "post", "token_label": "all", "label": "{label}"},
        },
        "drop": {
            **{"table": "ablation", "column": "drop", "form": "points"},
            "where": {"task": "{task}", "method": "bos", "run": "ablated"},
        },
        "cost": {"table": "edges", "column": "cost", "where": {"head": "{head}", "edges": "previous"}},
        "heads": {"count": "verdicts", "where": {"verdict": "none"}},
    },
    "claims": {
        "order": {
            "when": "share of previous > share of unknown",
            "yes": "It is, << number('share of previous') >>.",
        },
        "never": {"when": "0.01 > share of previous+induction"},
        "depends": {"each": "task", "when": "drop > 0.05", "yes": "{name}: << number('drop') >>"},
        "costs": {"when": "cost > 0.05"},
        "several": {"when": "heads > 0"},
        "elsewhere": {"study": "other", "when": "cost > 0.05", "yes": "Said."},
    },
    "expected": {"small": {"head": HEAD, "weights": WEIGHTS, "answers": {"order": "yes", "costs": "no"}}},
}
for label, claim in BOOK["claims"].items():
    claim |= {"section": "a", "says": f"So is {label}."}


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(BOOK, sort_keys=False), encoding="utf-8")
    return path


def claims_on(folder, book):
    return Claims(book, Values(folder, HEAD), "small", ["induction", "unrun"])


def test_answers_and_what_is_said(tmp_path, book):
    claims = claims_on(write_study(tmp_path), book)
    wanted = {"order": "yes", "never": "yes", "depends/induction": "yes", "depends/unrun": "not asked"}
    assert claims.answers == {**wanted, "costs": "yes", "several": "yes"}
    assert claims.says("order") == "It is, 50.0\u00a0%."
    assert claims.says("depends/induction") == "induction: 40.0\u00a0pp"
    assert claims.says("depends/unrun") == claims.says("costs") == claims.says("elsewhere") == ""
    assert len(claims.values.printed) == 2, "only what is printed is recorded"
    assert list(claims.kinds) == ["order", "never", "depends", "costs", "several"]
    assert claims.by_answer(claims.kinds["depends"]) == {"yes": ["induction"]}


def test_the_table_has_every_claim_with_its_numbers(tmp_path, book):
    table = claims_on(write_study(tmp_path, edges=False), book).table().set_index("label")
    assert list(table["answer"]) == ["yes", "yes", "yes", "not asked", "not asked", "not asked"]
    assert table.at["depends/induction", "says"] == "*induction*: So is depends."
    assert table.at["order", "numbers"].startswith("share of previous 50.0")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "column: drop",
            "column: dorp",
            r"yaml, line \d+, claim depends/induction: .* mean 'drop'",
        ),
        ("when: cost > 0.05", "when: cots > 0.05", r"claim costs: no number is called 'cots'"),
        ("table: edges", "table: edgse", "no table 'edgse'"),
        ("number('share", "nmber('share", r"claim order: 'nmber' is undefined"),
    ],
)
def test_what_is_misspelt_ends_in_one_line_with_its_place(tmp_path, book, old, new, said):
    text = book.read_text(encoding="utf-8").replace(old, new)
    book.write_text(text, encoding="utf-8")
    with pytest.raises(PolyheadError, match=said) as error:
        claims_on(write_study(tmp_path), book).says("order")
    line = int(re.search(r"line (\d+), claim (\w+)", str(error.value))[1])
    assert text.splitlines()[line - 1] == f"  {re.search('claim (.*?)[/:]', str(error.value))[1]}:"


def test_there_is_no_such_claim(tmp_path, book):
    with pytest.raises(PolyheadError, match="did you mean 'order'"):
        claims_on(write_study(tmp_path), book).says("ordre")


@pytest.mark.parametrize(("weights", "judged"), [(WEIGHTS, True), ("b" * 64, False)])
def test_a_missed_answer_fails_for_the_weights_that_it_was_written_down_for(tmp_path, book, weights, judged):
    folder, screen = write_study(tmp_path, weights=weights), Console(file=io.StringIO())
    claims_on(folder, book).table().to_csv(folder / "claims.csv", index=False)
    if judged:
        with pytest.raises(PolyheadError, match="costs: yes, expected no"):
            print_claims(folder / "claims.csv", book, folder / "provenance.json", screen)
    else:
        print_claims(folder / "claims.csv", book, folder / "provenance.json", screen)
    assert "So is costs" in screen.file.getvalue()


def test_all_claims_of_the_project_can_be_answered(tmp_path):
    tasks = list(read_templates(SOURCES.parent / "config/templates.yaml").templates)
    for study in ("reference", "attn-only-4l", "smollm2"):
        claims = Claims(
            SOURCES / "claims.yaml", Values(write_study(tmp_path, tasks), HEAD), study, ["induction"]
        )
        assert set(claims.answers.values()) <= {"yes", "no", "undecided", "not asked"}
        for label in claims.claims:
            for said in ("yes", "no", "undecided"):
                claims.answers[label] = said
                assert isinstance(claims.says(label), str)
