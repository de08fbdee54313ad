"""What the report says of simpler accounts, for every outcome."""

import pytest

from polyhead.report import rivals, verdict
from polyhead.report.numbers import Number, Numbers

HEAD = "1.4"


def numbers_of(answers, shares=None, cost=0.03, line="undecided", chance=0.004):
    """Return numbers of a head whose verdict grants previous and induction, and of the head judged anew."""
    detail = {"verdict": "polysemantic", "behaviours": "previous+induction", "undecided": "duplicate"}
    found = [Number({"table": "verdict", "of": HEAD, "quantity": "rest"}, 0.0, "percent", "v", detail=detail)]
    of_all = {"table": "verdicts", "bounds": "set", "verdict": "polysemantic"}
    found.append(Number(of_all, 1, "index", "v", n=16, detail={"heads": HEAD}))
    answers = {"line start": line, "duplicate": "no"} | answers
    shares = {"line start": 0.4, "previous": 0.1, "induction": 0.004, "duplicate": 0.0} | (shares or {})
    for edges, share in shares.items():
        names = {"table": "rivals", "of": HEAD, "edges": edges}
        answer = {"answer": answers[edges]}
        found.append(Number(names | {"quantity": "share"}, share, "percent", "r", detail=answer))
    names = {"table": "rivals", "of": HEAD, "edges": "line start", "quantity": "cost"}
    found.append(Number(names, cost, "cost", "r", low=cost - 0.01, high=cost + 0.01))
    for offset, share in (("-1", chance / 2), ("1", 0.02), ("2", chance)):
        names = {"table": "chance", "of": HEAD, "offset": offset}
        found.append(Number(names, share, "percent", "c", low=share - 0.001, high=share + 0.001))
    return Numbers(found)


def said(numbers):
    return rivals.reading(numbers, HEAD).replace("\u00a0", " ")


def test_a_verdict_that_stands_is_said_to_stand():
    text = said(numbers_of({"previous": "yes", "induction": "yes"}, {"line start": 0.05}))
    assert text.startswith("A habit of looking at the token that opens the line does not explain this")
    assert "the head still does *previous* and *induction*" in text


@pytest.mark.parametrize(
    ("answer", "left"),
    [("no", "which is too few or costs too little"), ("undecided", "where what it costs stays undecided")],
)
def test_a_behaviour_that_is_lost_is_named_with_what_is_left_of_it(answer, left):
    text = said(numbers_of({"previous": "yes", "induction": answer}))
    assert "that token dominates 40.0 % of the head's rows, more than any behaviour" in text
    assert f"*induction* is left with 0.4 % of the rows, {left}" in text
    assert "What stands is *previous*." in text


def test_where_nothing_stands_that_is_said():
    text = said(numbers_of({"previous": "no", "induction": "no"}))
    assert "None of what the verdict grants stands." in text


@pytest.mark.parametrize(
    ("line", "worth"),
    [
        ("yes", "enough to count as a behaviour"),
        ("no", "too little to count as a behaviour"),
        ("undecided", "which leaves open whether it would count as a behaviour"),
    ],
)
def test_what_line_starts_are_worth_goes_by_the_bounds_of_the_verdict(line, worth):
    assert worth in said(numbers_of({"previous": "yes", "induction": "no"}, line=line))


def test_line_starts_are_not_said_to_lead_where_they_do_not():
    text = said(numbers_of({"previous": "yes", "induction": "no"}, {"line start": 0.05}))
    assert "more than any behaviour" not in text


@pytest.mark.parametrize(("chance", "surely"), [(0.004, True), (0.0195, False), (0.03, False)])
def test_induction_is_held_against_chance(chance, surely):
    text = said(numbers_of({"previous": "yes", "induction": "yes"}, chance=chance))
    assert "Chance alone gives *induction* some rows" in text
    assert ("which is not surely more" not in text) == surely


@pytest.mark.parametrize(
    ("induction", "share", "title"),
    [
        ("yes", 0.4, "Attention head 1.4 looks back and looks up what followed an earlier copy of a token"),
        (
            "no",
            0.4,
            "Attention head 1.4 passes for two things, and most often looks at the start of its line",
        ),
        (
            "no",
            0.05,
            "Attention head 1.4 passes for two things, part of which is looking at the start of its line",
        ),
    ],
)
def test_the_title_says_two_things_only_where_they_stand(induction, share, title):
    numbers = [*numbers_of({"previous": "yes", "induction": induction}, {"line start": share})]
    numbers[0].detail["with_rest"] = "False"
    assert verdict.title(Numbers(numbers), HEAD) == title


def test_nothing_is_said_of_a_head_that_was_not_judged_or_does_nothing():
    assert rivals.reading(Numbers([]), HEAD) == rivals.of_all(Numbers([])) == ""


def test_heads_that_stay_polysemantic_are_counted():
    stays = rivals.of_all(numbers_of({"previous": "yes", "induction": "yes"}))
    assert "1 stays so" in stays
    assert "none stay so" in rivals.of_all(numbers_of({"previous": "yes", "induction": "no"}))


def test_the_table_has_the_answer_before_and_after():
    rows = rivals.rivals_table(numbers_of({"previous": "yes", "induction": "no"}), HEAD).splitlines()
    induction = next(row for row in rows if "*induction*" in row)
    cells = [cell.strip() for cell in induction.split("|")[1:-1]]
    assert (cells[3], cells[-1]) == ("yes", "no")
