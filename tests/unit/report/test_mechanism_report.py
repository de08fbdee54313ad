"""How the head does it: what the report says follows from the tables, for every outcome."""

from dataclasses import replace

import pytest
from report_study import HEAD, build, change_number, words_of, write_study

from polyhead.files import write_json
from polyhead.report import mechanism
from polyhead.report.numbers import Numbers, read_numbers, write_numbers

NEED = f"{HEAD}/needs/edges/induction/0.6/key"
NBSP = "\u00a0"


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path)


def numbers_of(study):
    return read_numbers(study / "numbers.json")


def without(study, **about):
    """Leave numbers out of a study."""
    left = numbers_of(study)
    gone = left.find(**about)
    write_numbers(study / "numbers.json", Numbers(n for n in left if n not in gone))


def test_numbers_carry_their_table_interval_and_rows(study):
    lost = numbers_of(study).get(NEED)
    assert (lost.value, lost.n, lost.source) == (pytest.approx(0.9), 400, f"heads/{HEAD}/mechanism/needs.csv")
    assert (lost.low, lost.high) == pytest.approx((0.875, 0.925))
    assert lost.detail == {"taken": "True", "sure": "True"}
    few = numbers_of(study).find(table="needs", label="induction")
    assert [n.about["component"] for n in few] == ["0.6"]  # 0.2 changes too little
    assert numbers_of(study).get(f"{HEAD}/values/edges/induction/embed").value == -0.15
    assert numbers_of(study).get(f"{HEAD}/worth/edges/induction").value == 0.2
    assert numbers_of(study).get(f"{HEAD}/pairs/edges/induction/all/all").value == 5
    assert numbers_of(study).find(table="pairs", query="embed", key="all") == []


def test_an_input_that_takes_half_of_the_rows_is_said_to_be_needed(study):
    text = mechanism.reading(numbers_of(study), HEAD)
    assert f"Of the rows that *induction* dominates, 90.0{NBSP}% (95{NBSP}% interval" in text
    assert "are lost when the part of the key that comes from head 0.6 is replaced by its mean." in text


@pytest.mark.parametrize(
    ("detail", "value", "words"),
    [
        ({"taken": "False", "sure": "True"}, 0.3, "No single input takes half of the rows that *induction*"),
        ({"taken": "False", "sure": "False"}, 0.3, "No single input surely takes any of the rows that"),
        ({"taken": "False", "sure": "True"}, -0.3, "No single input surely takes any of the rows that"),
    ],
)
def test_an_input_that_takes_less_is_not(study, detail, value, words):
    change_number(study, NEED, detail=detail, value=value)
    text = mechanism.reading(numbers_of(study), HEAD)
    assert words in text
    assert "that comes from head 0.6 is replaced by its mean. No" not in text


def test_of_too_few_rows_nothing_is_said(study):
    without(study, table="dissociation")
    change_number(study, NEED, low=None, high=None)
    text = mechanism.reading(numbers_of(study), HEAD)
    assert "*induction* dominates, 90" not in text
    assert "well for" not in text
    assert "apart" not in text  # of one kind of rows alone there is nothing to tell apart
    change_number(study, f"{HEAD}/needs/edges/rest/0.2/query", low=None, high=None)
    assert mechanism.reading(numbers_of(study), HEAD).startswith("There are too few rows")


def test_two_behaviours_that_come_apart_are_told_with_what_each_input_spares(study):
    text = mechanism.apart(numbers_of(study), HEAD)
    assert text == (
        f"Two kinds of its rows come apart: without head 0.6 in the key, 90.0{NBSP}% of the rows that "
        "*induction* dominates are lost and none of the rows that *rest* dominates; without head 0.2 in the "
        f"query, 60.0{NBSP}% of the rows that *rest* dominates and none of the rows that *induction* "
        "dominates."
    )
    assert mechanism.in_short(numbers_of(study), HEAD) == text


def test_where_none_do_the_report_says_so(study):
    without(study, table="dissociation")
    text = mechanism.reading(numbers_of(study), HEAD)
    assert "No two inputs tell two of the head's behaviours apart" in text
    assert "come apart" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            "Of the rows that *induction* dominates, 90.0 % are lost when head 0.6 is taken out of the key; "
            "of the rows that *rest* dominates, 60.0 % are lost when head 0.2 is taken out of the query.",
        ),
        (
            {"induction/0.6/key": {"taken": "False", "sure": "True"}},
            "Of the rows that *rest* dominates, 60.0 % are lost when head 0.2 is taken out of the query; no "
            "single input takes more than 90.0 % of the rows that *induction* dominates.",
        ),
        (
            {
                "induction/0.6/key": {"taken": "False", "sure": "False"},
                "rest/0.2/query": {"taken": "False", "sure": "True"},
            },
            "No single input surely takes any of the rows that *induction* dominates; no single input takes "
            "more than 60.0 % of the rows that *rest* dominates.",
        ),
    ],
)
def test_the_summary_says_of_each_kind_of_rows_what_it_needs(study, changes, words):
    without(study, table="dissociation")
    for name, detail in changes.items():
        change_number(study, f"{HEAD}/needs/edges/{name}", detail=detail)
    assert mechanism.in_short(numbers_of(study), HEAD).replace(NBSP, " ") == words


def test_the_summary_speaks_of_the_rows_that_the_text_speaks_of(study):
    without(study, table="dissociation")
    most = numbers_of(study).get(NEED)
    labelled = replace(most, about=most.about | {"taxonomy": "post", "label": "previous"}, value=0.99)
    numbers = Numbers([*numbers_of(study), labelled])
    assert "*previous*" not in mechanism.in_short(numbers, HEAD)
    assert "labelled" not in mechanism.reading(numbers, HEAD)


def test_how_well_contributions_predict_is_graded(study):
    assert mechanism.predicts(numbers_of(study), HEAD) == (
        "What the scores are made of predicts which inputs are needed well for *induction* (0.88) and hardly "
        "for *rest* (0.25), by rank correlation over the inputs; below 0.27 in size it could be chance."
    )
    change_number(study, f"{HEAD}/agreement/edges/rest", n=4)
    assert "over the inputs, of which 4 are too few to tell." in mechanism.predicts(numbers_of(study), HEAD)
    change_number(study, f"{HEAD}/agreement/edges/induction", value=0.5, text="0.50")
    assert "partly for *induction* (0.50)" in mechanism.predicts(numbers_of(study), HEAD)


def test_a_head_copies_only_where_it_raises_what_it_attends_to_and_what_comes_next(study):
    text = mechanism.copies(numbers_of(study), HEAD)
    assert "It copies" in text
    assert "by 1.50 and 1.50 in the rows that *induction* dominates." in text
    change_number(study, f"{HEAD}/written/edges/induction/next", low=-0.1)
    assert mechanism.copies(numbers_of(study), HEAD) == (
        "In no kind of its rows does it surely copy what it attends to."
    )


@pytest.mark.parametrize(
    ("following", "words"),
    [
        ({}, "(−0.20; 95 % interval −0.30 to −0.10), though it adds 1.50 to the true next one's."),
        ({"low": -0.1}, "(−0.20; 95 % interval −0.30 to −0.10)."),
    ],
)
def test_rows_in_which_it_lowers_what_it_attends_to_are_told(study, following, words):
    assert "the reverse" not in mechanism.copies(numbers_of(study), HEAD)
    lower = {"value": -0.2, "text": "−0.20", "low": -0.3, "high": -0.1}
    change_number(study, f"{HEAD}/written/edges/induction/attended", **lower)
    change_number(study, f"{HEAD}/written/edges/rest/attended", **lower)
    change_number(study, f"{HEAD}/written/edges/induction/next", **following)
    assert mechanism.copies(numbers_of(study), HEAD).replace(NBSP, " ") == (
        "In no kind of its rows does it surely copy what it attends to. It does the reverse to the logit of "
        f"the token that it attends to most in the rows that *induction* dominates {words}"
    )


@pytest.mark.parametrize(
    ("component", "words"),
    [
        ("embed", "the token embedding in the key"),
        ("pos", "the position embedding in the key"),
        ("bias", "what is the same in every prompt in the key"),
        ("2.10", "head 2.10 in the key"),
        ("attn3", "the attention of layer 3 in the key"),
        ("mlp12", "the feed-forward part of layer 12 in the key"),
    ],
)
def test_inputs_are_named_in_words(component, words):
    assert mechanism.input_of(component, "key") == words


def test_the_tables(study):
    numbers = numbers_of(study)
    assert "| *induction* dominates | 0.6 key" in mechanism.needs_table(numbers, HEAD)
    assert "| *induction* dominates | *sum* " in mechanism.pairs_table(numbers, HEAD)
    assert "embed: −0.150" in mechanism.written_table(numbers, HEAD)


def test_the_section_and_its_appendix_are_left_out_where_the_study_did_not_ask(study):
    build(study)
    assert "{#sec-mechanism}" in words_of(study / "build")
    assert "{#sec-mechanism-tables}" in words_of(study / "build")
    without(study, table="needs")
    assert mechanism.reading(numbers_of(study), HEAD) == ""
    build(study)
    assert "sec-mechanism" not in words_of(study / "build")


def test_scores_that_cannot_be_taken_apart_are_left_out_with_the_reason(study):
    assert mechanism.left_out(study / "heads" / HEAD) == ""
    reason = "the scores of SomeLMHeadModel cannot be taken apart exactly: its patterns are others"
    write_json(study / "heads" / HEAD / "mechanism/left_out.json", {"reason": reason})
    without(study, table="needs")
    build(study)
    words = words_of(study / "build")
    assert f"The{reason[3:]}. So what they are made of is left out." in words
    assert "{#sec-mechanism-tables}" not in words
    assert words.count("{#tbl-siblings}") == 1
