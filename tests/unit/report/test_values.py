"""Cells are looked up by name, printed with their interval, and recorded where they are printed."""

import math

import pytest
from report_study import HEAD, write_study

from polyhead.errors import PolyheadError
from polyhead.files import read_csv, read_json
from polyhead.report.values import NBSP, NotAskedError, Number, Values, code, listing

ALL = {"taxonomy": "post", "token_label": "all"}


@pytest.fixture
def values(tmp_path):
    return Values(write_study(tmp_path), HEAD)


def test_a_cell_is_printed_in_its_form_with_its_interval(values):
    share = values.v("distribution", "share", "percent", label="previous", **ALL)
    assert (str(share), share.ci) == (f"50.0{NBSP}%", f"50.0{NBSP}% [48.0,{NBSP}52.0]")
    assert (share.value, share.low, share.high) == (0.5, 0.48, 0.52)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.0001, "percent", f"<0.1{NBSP}%"),
        (0.0, "percent", f"0.0{NBSP}%"),
        (-0.107, "points", f"−10.7{NBSP}pp"),
        (-0.0001, "points", f"0.0{NBSP}pp"),
        (1275000, "count", "1,275,000"),
        (0.1234, "nats", f"0.123{NBSP}nats"),
        (75.0, "seconds", f"1{NBSP}min 15{NBSP}s"),
        (math.nan, "percent", "–"),
        ("a|b_c", "text", r"a\|b\_c"),
        ("previous+induction", "spaced", "previous + induction"),
    ],
)
def test_forms(value, form, text):
    assert Number(value, form=form).text == text


def test_only_what_is_printed_is_recorded_once_with_its_place(values, tmp_path):
    number = values.v("distribution", "share", "percent", label="unknown", **ALL)
    assert number.value > 0
    assert not values.printed
    assert f"{number} and again {number}"
    values.write(tmp_path / "numbers.json")
    (record,) = read_json(tmp_path / "numbers.json")
    assert record["text"] == f"30.0{NBSP}%"
    table = read_csv(tmp_path / record["table"])
    assert table.at[record["row"], record["column"]] == record["value"] == 0.3


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda v: v.v("edgse", "cost"), "no table 'edgse'; did you mean 'edges'"),
        (lambda v: v.v("edges", "cots"), "no column 'cots'; did you mean 'cost'"),
        (lambda v: v.v("edges", "cost", edgse="all"), "no column 'edgse'"),
        (lambda v: v.v("edges", "cost", edges="previos"), "no edges 'previos'; did you mean 'previous'"),
        (lambda v: v.v("distribution", "share", label="previos", **ALL), "no label 'previos'"),
        (lambda v: v.v("edges", "cost", "percents", head=HEAD, edges="all"), "no form 'percents'"),
        (lambda v: v.v("edges", "share", edges="previous"), "2 rows of table edges match"),
        (lambda v: v.v("edges", "cost", head=HEAD, edges="duplicate"), "no row where head is 1.4"),
        (lambda v: v.listed("edges", "{edges:text}", by="cots", head=HEAD), "no column 'cots'"),
    ],
)
def test_what_does_not_exist_is_an_error(values, ask, said):
    with pytest.raises(PolyheadError, match=said):
        ask(values)


def test_a_table_or_row_that_a_study_lacks_is_not_asked(tmp_path):
    values = Values(write_study(tmp_path, edges=False), HEAD)
    with pytest.raises(NotAskedError):
        values.v("edges", "cost", head=HEAD, edges="all")
    assert not values.has("edges")
    assert values.maybe("ablation", "drop", task="another").ci == "–"


def test_rows_of_a_table_heads_as_text_cells_escaped(values):
    table = values.rows("moments", {"from": "destination:code", "n": "count:count"}, "Caption", "tbl-x")
    assert "| `a|b` | 12 |" in table  # pandoc reads code before it reads cells
    assert ": Caption {#tbl-x}" in table
    assert values.rows("moments", {"from": "source:code"}, "Caption", "tbl-x", edges="induction") == ""
    assert values.each("edges", "head") == ["1.4", "1.10"]
    assert values.v("moments", "next_token", "code", destination="a|b").text == "`NA`"


def test_a_phrase_of_the_largest_rows(values):
    said = values.listed("distribution", "*{label:text}* {share:percent}", by="share", most=2, **ALL)
    assert said == f"*previous* 50.0{NBSP}% and *unknown* 30.0{NBSP}%"
    assert [row["label"] for row in values.top("distribution", "share", **ALL)] == ["previous"]
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert values.listed("distribution", "x", by="share", token_label="none") == ""


def test_counts_and_sums_are_exact(values):
    assert values.count("edges", share="> 0.1").value == 2
    assert str(values.total("distribution", "rows", "count", **ALL)) == "1,000"
    assert str(values.count("verdicts", verdict="none")) == "1"
    assert [each["row"] for each in values.printed] == [ALL, {"verdict": "none"}]


def test_the_largest_of_the_rows_that_match_and_a_beginning(values):
    found = values.v("contrasts", "value", "percent", largest=True, contrast="second label at *")
    assert found.value == 0.1


def test_records_are_read_as_tables(values):
    assert values.v("config", "threshold", "setting").text == "0.95"
    assert values.v("sampling", "prompts", "count").text == "5"
    assert values.each("files", "name") == ["resources/reference-model/model.safetensors"]


def test_code_keeps_backticks():
    assert (code("a"), code("`"), code("a``b")) == ("`a`", "`` ` ``", "```a``b```")
