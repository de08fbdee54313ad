"""Does it take one head? What the report says follows from the tables, for every outcome."""

import pytest
from report_study import HEAD, build, change_number, words_of, write_study

from polyhead.report import siblings
from polyhead.report.numbers import read_numbers

BEYOND = f"{HEAD}/together/edges/induction/beyond/mean"
NBSP = "\u00a0"


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path)


def numbers_of(study):
    return read_numbers(study / "numbers.json")


def test_numbers_are_those_of_siblings_or_of_the_nearest_head(study):
    numbers = numbers_of(study)
    found = numbers.find(table="siblings")
    of_kind = {(n.about["label"], n.about["of"]): n.value for n in found}
    assert of_kind == {("induction", "1.6"): 0.7, ("induction", "0.2"): 0.6, ("previous", "1.0"): 0.3}
    cost = numbers.get(BEYOND)
    assert (cost.value, cost.n, cost.low, cost.high) == pytest.approx((0.95, 300, 0.93, 0.97))
    assert cost.source == f"heads/{HEAD}/mechanism/together.csv"


def test_heads_that_stand_in_for_each_other_are_told_with_what_they_cost(study):
    text = siblings.reading(numbers_of(study), HEAD).replace(NBSP, " ")
    shared, alone = text.split(" No other")
    assert shared == (
        "On most of the rows that *induction* dominates heads 1.6 (70.0 %) and 0.2 (60.0 %) do the same, "
        f"and 1 more does. There ablating head {HEAD} costs 0.200 nats, and all of those named 1.400 nats: "
        "0.950 nats (95 % interval 0.930 nats to 0.970 nats) beyond the sum of each, as heads would that "
        "stand in for each other, though layers above that do not simply add up what they read may do "
        "the same."
    )
    assert alone == (
        " head does the same on 50.0 % of the rows that *previous* dominates; head 1.0 comes nearest, on "
        "30.0 % (95 % interval 25.0 % to 35.0 %) of them."
    )


def test_the_nearest_head_may_be_over_the_bound_where_none_is_chosen(study):
    change_number(study, f"{HEAD}/siblings/edges/previous/1.0", value=0.51)
    text = siblings.reading(numbers_of(study), HEAD).replace(NBSP, " ")
    assert "dominates where such heads are chosen; on the other documents head 1.0 comes nearest" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": 0.01, "low": -0.1, "high": 0.1}, "no surely more or less than the sum of each"),
        ({"value": -0.2, "low": -0.3, "high": -0.1}, "the sum of each, less 0.200 nats: together they"),
        ({"low": None, "high": None}, "rows or documents are too few to say"),
    ],
)
def test_what_is_not_surely_more_than_the_sum_is_not_called_so(study, change, words):
    change_number(study, BEYOND, **change)
    text = siblings.reading(numbers_of(study), HEAD).replace(NBSP, " ")
    assert words in text
    assert "stand in" not in text


def test_the_table_has_every_head_alone_and_all_of_them(study):
    lines = siblings.siblings_table(numbers_of(study), HEAD).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    names = [row[1] for row in cells[2:]]
    assert names == [HEAD, "1.6", "0.2", "*sum*", "*together*", "*beyond*", HEAD, "1.0"]
    assert cells[-1][2:] == [f"30.0{NBSP}% [25.0, 35.0]", "–", "–"]
    assert cells[2][0] == "*induction* dominates"


def test_the_report_has_the_table_and_other_heads_nothing(study):
    build(study)
    assert words_of(study / "build").count("{#tbl-siblings}") == 1
    assert "do the same, and 1 more does. There ablating" in words_of(study / "build")
    assert siblings.reading(numbers_of(study), "9.9") == ""
