"""The conclusion for every outcome: what is said follows from the verdict, and so does what is not said."""

import re

import pytest
from report_study import SOURCES

from polyhead.attention.edge_classes import FIRST
from polyhead.files import write_json
from polyhead.report import edge_gather, verdict
from polyhead.report.facts import Study
from polyhead.report.numbers import Number, Numbers

HEAD = "1.4"
SHARES = {"previous": 0.12, "induction": 0.08, "duplicate": 0.02, "indent": 0.001}
COSTS = {"previous": 0.31, "induction": 0.2, "duplicate": 0.01}


def judged(name, behaviours="", undecided="", rest=0.01, explained=0.8):
    """Return the numbers of a head with a verdict."""
    detail = {
        "verdict": name,
        "behaviours": behaviours,
        "undecided": undecided,
        "with_rest": str(rest >= 0.05),
        "mostly_unexplained": str(explained < 0.5),
    }
    of = {"table": "verdict", "of": HEAD}
    found = [Number(of | {"quantity": "rest"}, rest, "percent", "verdicts.csv", detail=detail)]
    sides = {"low": explained - 0.1, "high": explained + 0.1}
    if behaviours:
        found.append(Number(of | {"quantity": "explained"}, explained, "percent", "verdicts.csv", **sides))
    for edges, share in SHARES.items():
        names = {"table": "edge profile", "of": HEAD, "edges": edges}
        found.append(Number(names | {"quantity": "share"}, share, "percent", "edge_profile.csv"))
        if cost := COSTS.get(edges):
            sides = {"low": cost - 0.005, "high": cost + 0.005}
            found.append(Number(names | {"quantity": "cost"}, cost, "cost", "edge_profile.csv", **sides))
    return Numbers(found)


@pytest.mark.parametrize(
    ("name", "behaviours", "undecided", "said"),
    [
        (
            "polysemantic",
            "previous+induction",
            "",
            "That is two of the four behaviours that it was tested for: by the bounds of this report it is "
            "*polysemantic*.",
        ),
        (
            "one behaviour",
            "previous",
            "",
            "Of the four behaviours that it was tested for it does this one alone: it is not polysemantic.",
        ),
        (
            "none",
            "",
            "",
            "Head 1.4 (second layer, fifth head) does none of the four behaviours that it was tested for: "
            "it is "
            "not polysemantic.",
        ),
        (
            "undecided",
            "previous",
            "induction",
            "Whether it is polysemantic cannot be decided on this text: whether it does *induction* stays "
            "open.",
        ),
        (
            "undecided",
            "",
            "induction+duplicate",
            "Whether head 1.4 (second layer, fifth head) is polysemantic cannot be decided on this text: "
            "whether "
            "it does *induction* and *duplicate* stays open.",
        ),
    ],
)
def test_each_verdict_is_said_and_no_other(name, behaviours, undecided, said):
    text = verdict.verdict_sentences(judged(name, behaviours, undecided), HEAD)
    assert said in text
    assert ("it is *polysemantic*" in text) == (name == "polysemantic")
    assert text.count("(second layer, fifth head)") == 1, "the head's place is told once, first"


@pytest.mark.parametrize(
    ("name", "behaviours", "title", "rests"),
    [
        (
            "polysemantic",
            "previous+induction",
            "Attention head 1.4 looks back and looks up what followed an earlier copy of a token",
            "Attention head 1.4 looks back, looks up what followed an earlier copy of a token and rests",
        ),
        (
            "one behaviour",
            "previous",
            "Attention head 1.4 looks back",
            "Attention head 1.4 looks back and rests",
        ),
        ("none", "", "Attention head 1.4 does none of the four things it was tested for", None),
        (
            "undecided",
            "previous",
            "Does attention head 1.4 do more than one thing? This text cannot decide it",
            None,
        ),
    ],
)
def test_the_title_says_what_was_found(name, behaviours, title, rests):
    assert verdict.title(judged(name, behaviours), HEAD) == title
    assert verdict.title(judged(name, behaviours, rest=0.3), HEAD) == (rests or title)
    assert verdict.title(Numbers([]), HEAD) == "What attention head 1.4 attends to"


def test_every_behaviour_that_is_done_comes_with_its_rows_its_cost_and_its_interval():
    text = verdict.verdict_sentences(judged("polysemantic", "previous+induction"), HEAD)
    assert text.startswith(
        "Head 1.4 (second layer, fifth head) looks back (*previous*): in 12.0\u00a0% of the positions from "
        f"token {FIRST} on, at least half of its attention goes to one of the few tokens before. Without "
        "that, with the head's mean output instead, the log probability of the right next token falls there "
        "by 0.310\u00a0nats (95\u00a0% interval 0.305\u00a0nats to 0.315\u00a0nats) on average. It also "
        "looks up what followed an earlier copy of a token (*induction*), with at least half of its "
        "attention in 8.0\u00a0% of these "
    )
    assert "duplicate" not in text
    assert "*induction* and rest (BOS, EOS) explain 80.0" in text


def test_the_place_of_a_head_is_counted_in_words():
    text = verdict.verdict_sentences(
        Numbers(
            Number(n.about | {"of": "23.6"}, n.value, n.unit, n.source, detail=n.detail)
            for n in judged("none")
        ),
        "23.6",
    )
    assert text.startswith("Head 23.6 (24th layer, seventh head) does none")


def explained(**kept):
    """Numbers of table 2: what the edges of a class explain with rest, and the share that *other* "
    "dominates."""
    about = {"head": HEAD, "table": "edge costs", "method": "mean"}
    found = [
        Number(about | {"edges": name, "rows": "all", "quantity": "kept"}, value, "percent", "edge_costs.csv")
        for name, value in kept.items()
    ]
    dominated = about | {"edges": "other", "rows": "other", "quantity": "share"}
    return [*found, Number(dominated, 0.52, "percent", "edge_costs.csv")]


def test_what_one_class_explains_alone_is_said_and_what_edges_without_a_name_do():
    numbers = judged("polysemantic", "previous+induction")
    text = verdict.verdict_sentences(
        Numbers([*numbers, *explained(previous=0.53, induction=0.04, other=0.42)]), HEAD
    )
    assert ", *previous* with rest alone 53.0\u00a0%. Edges that have no name here (*other*)" in text
    assert text.endswith("at 52.0\u00a0% of the positions, explain 42.0\u00a0% with rest (@tbl-edges).")
    alone = verdict.verdict_sentences(
        Numbers([*judged("one behaviour", "previous"), *explained(previous=0.53)]), HEAD
    )
    assert "alone 53" not in alone, "where there is one behaviour, it is all that is said"
    assert "(*other*)" not in alone
    assert "@tbl-edges" not in verdict.verdict_sentences(numbers, HEAD)


def test_rest_and_a_head_that_is_mostly_something_else_are_said():
    text = verdict.verdict_sentences(judged("one behaviour", "previous", rest=0.47, explained=0.2), HEAD)
    assert "In 47.0\u00a0% of these positions it rests" in text
    assert "Most of what ablating the head's whole rows changes is something else" in text
    assert "The edges of" not in text


@pytest.mark.parametrize(("share", "near"), [(0.0099, True), (0.005, True), (0.0049, False), (0.0101, False)])
def test_a_behaviour_that_is_refused_for_its_share_alone_may_be_a_near_miss(monkeypatch, share, near):
    monkeypatch.setitem(SHARES, "duplicate", share)
    text = verdict.what_it_does_not_do(judged("one behaviour", "previous", "induction"), HEAD)
    assert ("*duplicate*, a near miss" in text) == near


def test_a_near_miss_has_both_shares_apart_and_its_cost(monkeypatch):
    monkeypatch.setitem(SHARES, "duplicate", 0.00994)
    text = verdict.what_it_does_not_do(judged("one behaviour", "previous", "induction"), HEAD)
    assert (
        "*duplicate*, a near miss: it dominates 0.99\u00a0% of its rows, where 1.00\u00a0% are asked for; "
        "cutting its edges costs 0.010\u00a0nats (95\u00a0% interval 0.005\u00a0nats to 0.015\u00a0nats) "
        "there; nor"
    ) in text
    monkeypatch.delitem(COSTS, "duplicate")
    text = verdict.what_it_does_not_do(judged("one behaviour", "previous", "induction"), HEAD)
    assert "where 1.00\u00a0% are asked for; nor" in text


def test_what_is_not_done_is_said_with_the_reason():
    text = verdict.what_it_does_not_do(judged("one behaviour", "previous", "induction"), HEAD)
    assert text.startswith("It does not do *duplicate*, whose edges cost 0.010")
    assert text.endswith("nor *indent*, which dominates only 0.1\u00a0% of its rows.")
    assert "induction" not in text, "what is undecided is not denied"


def test_without_a_verdict_nothing_is_concluded():
    assert verdict.verdict_sentences(Numbers([]), HEAD).endswith("it describes, no more.")
    assert verdict.what_it_does_not_do(Numbers([]), HEAD) == ""
    assert verdict.heads_counted(Numbers([])) == ""
    assert "no other was considered" in verdict.how_chosen(Numbers([]), HEAD)


def test_heads_are_counted_and_so_are_other_bounds():
    counts = {
        ("joint", "none"): 29,
        ("joint", "polysemantic"): 3,
        ("set", "none"): 9,
        ("set", "polysemantic"): 5,
        ("halved", "polysemantic"): 14,
        ("doubled", "none"): 32,
    }
    numbers = Numbers(
        Number(
            {"table": "verdicts", "bounds": bounds, "verdict": name},
            count,
            "index",
            "verdicts.csv",
            n=32,
            detail={"heads": " ".join(f"0.{head}" for head in range(count))},
        )
        for (bounds, name), count in counts.items()
    )
    assert verdict.heads_counted(numbers) == (
        "Of the model's 32 heads, by intervals that hold for all heads and behaviours together, 3 are "
        "polysemantic (0.0, 0.1 and 0.2) and 29 do none. Polysemantic are 5 by each head's own interval, 14 "
        "by these with all bounds halved and none with all bounds doubled."
    )


def chosen(rank, by="hand", **more):
    detail = more | {
        "head": "2.1",
        "verdict": "polysemantic",
        "behaviours": "previous+induction",
        "chosen_by": by,
    }
    about = {"table": "selection", "of": HEAD, "quantity": "rank"}
    documents = Number({"table": "selection", "quantity": "documents"}, 321, "count", "selection.json")
    return Numbers([documents, Number(about, rank, "index", "selection.json", n=32, detail=detail)])


def test_how_the_head_was_chosen_is_said():
    assert "it is number 7 by the rule" in verdict.how_chosen(chosen(7), HEAD)
    assert "First is head 2.1 (polysemantic)." in verdict.how_chosen(chosen(7), HEAD)
    assert "it also ranks first, on 321 documents" in verdict.how_chosen(chosen(1), HEAD)
    assert verdict.how_chosen(chosen(1, "the criterion"), HEAD).startswith("The head was chosen by rule")
    assert "otherwise, but on which the model was trained." in verdict.how_chosen(chosen(1), HEAD, True)
    assert "trained" not in verdict.how_chosen(chosen(1), HEAD)


def test_a_head_that_is_first_of_the_inner_layers_is_said_to_be():
    first = verdict.how_chosen(chosen(7, first_between=HEAD), HEAD)
    assert first.endswith("Of the heads in layers that are neither the lowest nor the last it is the first.")
    for other in ({"first_between": "2.1"}, {}):
        assert "neither the lowest" not in verdict.how_chosen(chosen(7, **other), HEAD)


@pytest.mark.parametrize(
    ("ranked", "first"),
    [(["0.2", "3.0", "2.1", "1.3"], "2.1"), (["0.1", "1.0"], ""), (["0.1", "0.0"], "")],
)
def test_the_first_of_the_inner_layers_is_read_from_the_ranking(tmp_path, ranked, first):
    record = {
        "sample": {"documents": 3},
        "chosen_by": "hand",
        "studied": [{"head": HEAD, "rank": 2, "of": 4}],
    }
    record["considered"] = [{"head": head, "verdict": "none", "behaviours": ""} for head in ranked]
    write_json(tmp_path / "selection.json", record)
    _, rank = edge_gather.selection(tmp_path / "selection.json", {}, "selection.json")
    assert rank.detail["first_between"] == first


@pytest.mark.parametrize(
    ("model", "path", "trained"),
    [
        ("resources/reference-model", "resources/corpus/selection.parquet", True),
        ("resources/reference-model", "elsewhere/selection.parquet", False),
        ("mine", "corpus/selection.parquet", False),
    ],
)
def test_text_that_comes_with_the_reference_model_is_of_its_training(tmp_path, model, path, trained):
    write_json(tmp_path / "provenance.json", {"config": {"model": model}})
    study = Study(tmp_path, {}, {})
    assert not study.chosen_on_training
    write_json(tmp_path / "selection.json", {"sample": {"path": path}})
    assert study.chosen_on_training == trained


def test_behaviours_that_hardly_occur_are_told_of_together(monkeypatch):
    for name in ("duplicate", "indent"):
        monkeypatch.setitem(SHARES, name, 0.0001)
    text = verdict.what_it_does_not_do(judged("one behaviour", "previous", "induction"), HEAD)
    assert text == "It does not do *duplicate* or *indent*, which hardly ever dominate a row."


def test_a_behaviour_that_hardly_occurs_is_said_to_without_a_number(monkeypatch):
    monkeypatch.setitem(SHARES, "indent", 0.0001)
    text = verdict.what_it_does_not_do(judged("one behaviour", "previous", "induction"), HEAD)
    assert text.endswith("nor *indent*, which hardly ever dominates a row.")


CLAIMS = re.compile(r"\b(polysemantic|depend\w*|shows?|matters?)\b", re.IGNORECASE)
DEFINITIONS = (
    "A head is *polysemantic* when it does two behaviours or more.",
    "Attention shows where a head reads, not whether that matters.",
    "Attention shows where a head reads, not what it writes.",
    "What takes the place of the lost attention matters;",
    "A task may depend on the head for another reason than the one it was written for.",
    "the edge is what matters.",
)
"""What stands in the document whatever a study finds: it says what words mean, nothing about a head."""


@pytest.mark.parametrize("path", sorted(SOURCES.glob("*.qmd")), ids=lambda path: path.name)
def test_no_claim_about_a_head_stands_in_the_source(path):
    text = " ".join(path.read_text(encoding="utf-8").split())
    for definition in DEFINITIONS:
        text = text.replace(definition, "")
    assert [text[max(0, found.start() - 40) : found.end() + 40] for found in CLAIMS.finditer(text)] == []


def test_how_the_head_fares_by_other_bounds_is_told_of_it_alone():
    found = {"set": "polysemantic", "halved": "polysemantic", "doubled": "undecided", "joint": "none"}
    numbers = Numbers(
        Number(
            {"table": "verdicts", "bounds": bounds, "verdict": name}, 1, "index", "v", detail={"heads": HEAD}
        )
        for bounds, name in found.items()
    )
    assert verdict.by_other_bounds(numbers, HEAD) == (
        "Head 1.4 itself is polysemantic with all bounds halved, undecided with all bounds doubled and a "
        "head that does none by intervals that hold for all heads and behaviours together."
    )
    assert verdict.by_other_bounds(numbers, "0.1") == ""
