import math
from dataclasses import replace

import pytest
from report_study import HEAD, SHARES, write_study

from polyhead.errors import PolyheadError
from polyhead.files import read_csv, read_json, write_csv
from polyhead.report.gather import gather
from polyhead.report.numbers import (
    NOTHING,
    Number,
    Numbers,
    cells,
    format_value,
    interval_of,
    ranking,
    read_numbers,
)
from polyhead.report.sentences import alike_tokens, many_behaviours


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def numbers(study):
    return read_numbers(study / "numbers.json")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.4124, "percent", "41.2\u00a0%"),
        (1.0, "percent", "100.0\u00a0%"),
        (0.0004, "percent", "<0.1\u00a0%"),
        (0.0, "percent", "0.0\u00a0%"),
        (-0.402, "points", "−40.2\u00a0pp"),
        (0.0896, "probability", "0.090"),
        (-0.0004, "points", "0.0\u00a0pp"),
        (0.00016, "probability", "0.0002"),
        (0.00001, "probability", "<0.0001"),
        (900, "bytes", "0.9\u00a0kB"),
        (12_300_000, "bytes", "12.3\u00a0MB"),
        (-0.02, "effect", "−0.0200\u00a0nats"),
        (1234567, "count", "1,234,567"),
        (1234, "index", "1234"),
        (0.95, "setting", "0.95"),
        (59.94, "seconds", "59.9\u00a0s"),
        (125, "seconds", "2\u00a0min 5\u00a0s"),
        (3720, "seconds", "1\u00a0h 2\u00a0min"),
        (math.nan, "percent", "–"),
    ],
)
def test_a_value_is_printed_the_way_its_unit_wants(value, unit, text):
    assert format_value(value, unit) == text


def test_numbers_are_found_by_what_they_are_about():
    one, other, third = (
        Number(about, 0.5, "percent", "t.csv")
        for about in ({"a": "x", "b": "1"}, {"a": "x", "b": "2"}, {"a": "y"})
    )
    numbers = Numbers([one, other, third])
    assert numbers.by("b", a="x") == {"1": one, "2": other}
    assert numbers.by("b") == numbers.by("b", a="x")
    assert numbers.first(a="x") is one
    assert numbers.first(a="z") is None
    assert cells({"1": replace(one, low=0.4, high=0.6)}, ["1", "2"]) == ["50.0\u00a0% [40.0, 60.0]", NOTHING]
    assert cells({"1": one}, ["1"], "text") == [str(one)] == ["50.0\u00a0%"]


def test_the_interval_is_printed_with_the_number():
    number = Number({"what": "share"}, 0.5, "percent", "table.csv", n=10, low=0.45, high=0.55)
    assert number.brief == "50.0\u00a0% [45.0, 55.0]"
    assert number.full == "50.0\u00a0% (95\u00a0% interval 45.0\u00a0% to 55.0\u00a0%)"


def test_a_number_without_interval_is_printed_bare():
    number = Number({"what": "rows"}, 5, "count", "table.csv")
    assert number.brief == number.full == number.inside == "5"


def test_every_share_of_the_table_is_gathered_with_its_source(numbers):
    for (taxonomy, token), shares in SHARES.items():
        for behaviour, share in shares.items():
            number = numbers.get(f"{HEAD}/distribution/{taxonomy}/{token}/{behaviour}")
            assert (number.value, number.n, number.unit) == (share, 1000, "percent")
            assert number.source == f"heads/{HEAD}/distribution.csv"


def test_tokens_that_the_figure_does_not_show_are_left_out(tmp_path):
    folder = write_study(tmp_path)
    shown = folder / "heads" / HEAD / "figure_tokens.json"
    assert "·R" in read_json(shown)["shown"]
    shown.write_text('{"shown": ["all"]}')
    gathered = gather(folder, folder / "model", [HEAD])
    assert gathered.values("token", table="distribution") == ["all"]


def test_the_file_says_of_every_number_what_it_is_and_where_it_comes_from(study):
    record = read_json(study / "numbers.json")[f"{HEAD}/ablation/induction/bos/ablated/top1"]
    assert record["value"] == 0.25
    assert record["text"] == "25.0\u00a0%"
    assert (record["low"], record["high"], record["n"]) == pytest.approx((0.22, 0.28, 120))
    assert record["source"] == f"heads/{HEAD}/ablation.csv"


def test_the_drop_at_the_destination_and_the_largest_elsewhere_are_told_apart(numbers):
    drops = {n.about["quantity"]: n for n in numbers.find(table="drop", task="induction")}
    assert (drops["destination"].value, drops["destination"].detail["token"]) == (0.19, "·t3")
    assert (drops["elsewhere"].value, drops["elsewhere"].detail["token"]) == (0.02, "·t2")


def test_the_extremes_over_tokens_leave_all_out(numbers):
    tokens = {n.about["quantity"]: n for n in numbers.find(table="tokens") if n.detail}
    assert (tokens["least"].detail["token"], tokens["least"].value) == ("`", 0.6)
    assert (tokens["most"].detail["token"], tokens["most"].value) == ("|", 0.9)


def test_the_largest_difference_between_two_tokens(numbers):
    assert numbers.find(table="tokens", quantity="difference")[0].value == pytest.approx(0.01)


def test_two_tokens_are_not_compared_on_a_handful_of_rows(tmp_path):
    folder = write_study(tmp_path)
    path = folder / "heads" / HEAD / "distribution.csv"
    table = read_csv(path)
    of_one = table["token_label"] == "⏎[·×7]"
    table.loc[of_one, "rows"] = (table["rows"][of_one] * 0.19).astype(int)
    write_csv(path, table)
    numbers = gather(folder, folder / "model", [HEAD])
    assert numbers.find(table="tokens", quantity="difference") == []
    assert alike_tokens(numbers, HEAD) == ""


def test_unknown_is_no_common_behaviour_and_other_heads_do_not_count(tmp_path):
    numbers = read_numbers(write_study(tmp_path, head=["0.1", HEAD]) / "numbers.json")
    assert SHARES["extended", "all"].keys() == {"previous", "bos", "indent_bigger", "unknown"}
    for head in ("0.1", HEAD):
        assert numbers.get(f"{head}/tokens/common behaviours").value == 3
        assert many_behaviours(numbers, head).startswith("With the extended definitions 3 labels cover")


def test_nothing_but_unknown_is_said_so(tmp_path):
    folder = write_study(tmp_path)
    path = folder / "heads" / HEAD / "distribution.csv"
    table = read_csv(path)
    write_csv(path, table[(table["taxonomy"] == "post") | (table["label"] == "unknown")])
    said = many_behaviours(gather(folder, folder / "model", [HEAD]), HEAD)
    assert said == "With the extended definitions no label covers as much as 1.0\u00a0% of the rows."


def test_every_source_is_a_path_from_the_study_to_a_file(study, numbers):
    sources = {number.source for number in numbers}
    assert {"provenance.json", f"heads/{HEAD}/distribution.csv", "model/evaluation.json"} <= sources
    assert [source for source in sources if not (study / source).is_file()] == []


def test_a_ranking_begins_with_the_largest(numbers):
    names = [number.about["label"] for number in ranking(numbers, HEAD, "post")]
    assert names == ["previous", "inactive", "unknown", "previous+induction"]


def test_a_number_that_is_not_there_is_named(numbers):
    with pytest.raises(PolyheadError, match=r"1\.4/distribution/post/all/flying"):
        numbers.get("1.4/distribution/post/all/flying")


def test_two_numbers_with_one_key_are_refused():
    twice = Number({"what": "rows"}, 5, "count", "table.csv")
    with pytest.raises(PolyheadError, match="rows"):
        Numbers([twice, twice])


@pytest.mark.parametrize(("low", "high"), [(math.nan, math.nan), ("", ""), (0.1, math.inf)])
def test_no_spread_is_no_interval(low, high):
    assert interval_of(low, high) == {}


def test_an_interval_may_touch_zero():
    assert interval_of(0, 0.5) == {"low": 0.0, "high": 0.5}
