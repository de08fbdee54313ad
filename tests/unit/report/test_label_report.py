"""Numbers, sentences and tables about labels and their edges."""

import re

import pytest
from report_study import HEAD, build, change_number, words_of, write_study

from polyhead.report import edge_sentences as prose
from polyhead.report import label_tables
from polyhead.report.numbers import Numbers, read_numbers, write_numbers


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path)


def numbers_of(study):
    return read_numbers(study / "numbers.json")


def test_numbers_carry_their_table_interval_and_rows(study):
    numbers = numbers_of(study)
    cost = numbers.get(f"{HEAD}/resting/previous/bos")
    assert (cost.value, cost.n, cost.source) == (0.3, 500, f"heads/{HEAD}/resting.csv")
    assert (cost.low, cost.high) == pytest.approx((0.29, 0.31))
    assert numbers.get(f"{HEAD}/resting/at BOS/norm").interval == ""
    assert numbers.find(table="resting", label="at BOS", quantity="bos") == []
    assert numbers.get(f"{HEAD}/unknown edges/post/induction/mass").value == 0.4
    assert numbers.get(f"{HEAD}/without rest/post/previous").n == 180
    assert numbers.values("label", table="label edges") == ["previous"]  # rare ones are left out


def test_distances_from_the_usual_output_are_told_with_what_ablations_cost(study):
    assert prose.resting_reading(numbers_of(study), HEAD).replace("\u00a0", " ") == (
        "What the head writes at BOS is 2.25 times as far from its mean output as nothing would be; what it "
        "writes in a row is 0.80 times as far on average. Resting, farther than either, is not neutral: an "
        "ablation by BOS also measures what is put in. Over all rows the ablation costs 0.300 nats by BOS, "
        "0.100 nats by the mean output, 0.200 nats by nothing."
    )


@pytest.mark.parametrize(
    ("at_bos", "usual", "words"),
    [
        (0.5, 0.8, "Resting is close to neutral, so that an ablation by BOS measures what is taken out."),
        (0.9, 0.8, "Resting, farther than a usual row, if not than nothing, is not neutral"),
        (3.0, 4.7, "Resting, no farther than a usual row, but farther than nothing, is not neutral"),
        (5.0, 4.7, "Resting, farther than either, is not neutral"),
    ],
)
def test_resting_is_neutral_only_where_it_is_as_near_as_a_usual_row_and_as_nothing(
    study, at_bos, usual, words
):
    change_number(study, f"{HEAD}/resting/at BOS/distance", value=at_bos)
    change_number(study, f"{HEAD}/resting/all/distance", value=usual)
    assert words in prose.resting_reading(numbers_of(study), HEAD)


@pytest.mark.parametrize(("share", "words"), [(0.3, "A good part"), (0.02, "Only a small part")])
def test_short_induction_is_not_passed_as_previous(study, share, words):
    change_number(study, f"{HEAD}/label edges/post/previous/open", value=share)
    assert prose.near_copies_reading(numbers_of(study), HEAD).startswith(words)


def test_unknown_rows_that_get_a_name_are_counted(study):
    sentence = prose.without_rest_reading(numbers_of(study), HEAD, "post")
    assert sentence.endswith("*previous* (45.0\u00a0%) get a name; 55.0\u00a0% stay *unknown*.")
    change_number(study, f"{HEAD}/without rest/post/previous", value=0.0)
    assert "none of the *unknown* rows" in prose.without_rest_reading(numbers_of(study), HEAD, "post")


def test_only_edges_that_surely_cost_something_are_named(study):
    sentence = prose.unknown_edges_reading(numbers_of(study), HEAD, "post")
    assert "*induction* (0.150\u00a0nats)" in sentence
    assert "previous" not in sentence
    change_number(study, f"{HEAD}/unknown edges/post/induction/cost", low=-0.1)
    assert "no behaviour's edges" in prose.unknown_edges_reading(numbers_of(study), HEAD, "post")


def test_too_few_rows_for_an_interval_are_not_spoken_of(study):
    change_number(study, f"{HEAD}/resting/all/distance", low=None, high=None)
    for edges in ("induction", "previous"):
        change_number(study, f"{HEAD}/unknown edges/post/{edges}/cost", low=None, high=None)
    assert prose.resting_reading(numbers_of(study), HEAD) == ""
    assert prose.unknown_edges_reading(numbers_of(study), HEAD, "post") == ""


def test_what_was_not_run_is_not_spoken_of(study):
    numbers = numbers_of(study)
    assert prose.resting_reading(numbers, "0.0") == prose.near_copies_reading(numbers, "0.0") == ""
    for reading in (prose.without_rest_reading, prose.unknown_edges_reading):
        assert reading(numbers, "0.0", "post") == ""


def test_tables_have_a_dash_where_there_is_no_number(study):
    table = label_tables.resting_table(numbers_of(study), HEAD)
    assert re.search(r"\| at BOS +\| +2\.50 \| +2\.25 \| +– \| +– \| +– \|", table)
    table = label_tables.label_edges_table(numbers_of(study), HEAD, "post")
    assert re.search(r"\| \*previous\* +\| +– \| +– \| 30\.0", table)


def test_the_report_states_the_order_in_which_labels_are_tried(study):
    build(study)
    says = " ".join(words_of(study / "build").split())
    assert "*inactive*, *previous* and *previous+induction*, tried in this order" in says


def test_rows_that_hardly_do_anything_but_rest_are_said_to_be_left(study):
    table = label_tables.without_rest_table(numbers_of(study), HEAD, "post")
    assert "less than 5.0\u00a0% of its attention elsewhere is left alone" in table
    assert re.search(r"\| \*previous\* +\| +45\.0\u00a0% \|", table)


def test_the_parts_are_left_out_where_the_study_did_not_run_them(tmp_path):
    study = write_study(tmp_path)
    build(study)
    assert "{#sec-resting}" in words_of(study / "build")
    assert "{#sec-label-edges}" in words_of(study / "build")
    for key in ("resting", "label edges"):
        kept = [n for n in numbers_of(study) if n.about.get("table") != key]
        write_numbers(study / "numbers.json", Numbers(kept))
    build(study)
    assert "{#sec-resting}" not in words_of(study / "build")
    assert "{#sec-label-edges}" not in words_of(study / "build")
