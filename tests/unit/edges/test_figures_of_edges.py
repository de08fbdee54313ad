"""Figures of cut edges: what must be readable is there as text, even where little is drawn."""

import re

import numpy as np
import pandas as pd
import pytest
from saved_figure import texts_of

from polyhead.edges.figures import (
    MOST_HEADS,
    behaviours_figure,
    costs_figure,
    heads_drawn,
    in_words,
    map_figure,
    profile_figure,
)
from polyhead.edges.verdict import verdict_table
from polyhead.edges.classes import CLASS_BEHAVIOURS
from polyhead.style import save_svg, style

DONE = {"share": 0.3, "rows": 500, "documents": 50, "cost": 0.2, "low": 0.1, "high": 0.3, "bos": 0.2}
DONE |= {"joint_low": 0.1, "joint_high": 0.3}
NOT = {
    "share": 0.002,
    "rows": 5,
    "documents": 4,
    **dict.fromkeys(("cost", "low", "high", "bos", "joint_low", "joint_high"), np.nan),
}


def profile_of(heads):
    """Lines of a profile: each head does the behaviours given."""
    return pd.DataFrame(
        {"head": head, "edges": name, "rest": 0.1, **(DONE if name in done else NOT)}
        for head, done in heads.items()
        for name in CLASS_BEHAVIOURS
    )


@pytest.fixture
def nothing_explained():
    columns = ["head", "behaviours", "whole", "explained", "explained_low", "explained_high"]
    return pd.DataFrame(columns=columns)


def test_every_head_has_its_verdict_beside_it(tmp_path, nothing_explained):
    profile = profile_of({"0.0": (), "0.1": ("previous",), "1.0": ("previous", "induction")})
    verdicts = verdict_table(profile, nothing_explained)
    with style():
        found = texts_of(profile_figure(profile, verdicts, ["1.0"]), tmp_path / "a.svg")
    for text in (
        "0.0",
        "none, rests",
        "one behaviour: previous, rests",
        "polysemantic: previous+induction, rests",
    ):
        assert text in found
    assert set(CLASS_BEHAVIOURS) < set(found)


def test_a_profile_without_any_cost_is_drawn(tmp_path, nothing_explained):
    profile = profile_of({"0.0": ()})
    with style():
        found = texts_of(
            profile_figure(profile, verdict_table(profile, nothing_explained), []), tmp_path / "a.svg"
        )
    assert "none, rests" in found


def test_of_a_large_model_the_heads_that_do_most_and_the_study_s_own_are_drawn(nothing_explained):
    heads = {f"{layer}.{number}": () for layer in range(10) for number in range(9)}
    heads |= {"9.8": ("previous",), "9.7": ("previous", "induction")}
    drawn = heads_drawn(verdict_table(profile_of(heads), nothing_explained), ["9.6"])
    assert len(drawn) == MOST_HEADS
    assert drawn[-3:] == ["9.6", "9.7", "9.8"]


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (30, 9)])
def test_the_map_of_all_heads_fits_half_a_page_whatever_their_number(tmp_path, nothing_explained, shape):
    doing = {f"{layer}.{number}": () for layer in range(shape[0]) for number in range(shape[1])}
    doing |= {"0.0": ("previous", "induction")}
    profile = profile_of(doing)
    verdicts = verdict_table(profile, nothing_explained)
    with style():
        figure = map_figure(profile, verdicts, ["0.0"])
        assert figure.get_figheight() < 5.6
        found = texts_of(figure, tmp_path / "a.svg")
    assert {*CLASS_BEHAVIOURS, "how many", "2"} <= set(found)


def test_the_map_goes_by_intervals_that_hold_for_all_heads_together(tmp_path, nothing_explained):
    profile = profile_of({"0.0": ("previous", "induction"), "0.1": ()})
    profile.loc[profile["edges"] == "induction", "joint_low"] = 0.0
    verdicts = verdict_table(profile, nothing_explained)
    assert verdicts["verdict"].tolist() == ["polysemantic", "none"]
    with style():
        found = texts_of(map_figure(profile, verdicts, []), tmp_path / "a.svg")
    assert any("1 undecided" in text for text in found)
    assert "?" in found


def test_an_undecided_verdict_says_what_is_open():
    facts = {"with_rest": True, "mostly_unexplained": False}
    line = pd.Series({"verdict": "undecided", "behaviours": "induction", "undecided": "indent", **facts})
    assert in_words(line) == "undecided: induction, perhaps indent, rests"
    assert (
        in_words(pd.Series({**line, "behaviours": np.nan, "with_rest": False})) == "undecided: perhaps indent"
    )


def costs_of(kinds, low):
    lines = [
        {
            "edges": edges,
            "rows_dominated_by": kind,
            "method": "mean",
            "share": 0.25,
            "cost": 0.123,
            "low": low,
        }
        for kind in kinds
        for edges in ("all", "previous", "induction")
    ]
    return pd.DataFrame(lines, columns=["edges", "rows_dominated_by", "method", "share", "cost", "low"])


def test_costs_of_one_head_by_rows_and_edges(tmp_path):
    with style():
        found = texts_of(costs_figure(costs_of(["all", "induction"], 0.1)), tmp_path / "a.svg")
    assert found.count("0.12") == 6
    assert {"whole row", "induction (25\u202f%)", "all rows (25\u202f%)"} <= set(found)


@pytest.mark.parametrize("costs", [costs_of(["all"], np.nan), costs_of([], 0.1)])
def test_costs_without_intervals_are_left_empty(tmp_path, costs):
    with style():
        assert "0.12" not in texts_of(costs_figure(costs), tmp_path / "a.svg")


def test_a_head_most_of_whose_effect_is_unexplained_is_said_to_be_so():
    facts = {"undecided": "", "with_rest": False, "mostly_unexplained": True}
    line = pd.Series({"verdict": "polysemantic", "behaviours": "previous+induction", **facts})
    assert in_words(line) == "polysemantic: previous+induction, mostly unexplained"


def test_what_a_head_does_is_the_title_and_every_behaviour_has_its_share(tmp_path, nothing_explained):
    profile = profile_of({"1.0": ("previous", "induction")})
    with style():
        line = verdict_table(profile, nothing_explained).iloc[0]
        found = texts_of(behaviours_figure(profile, line), tmp_path / "a.svg")
    assert "Head 1.0: polysemantic: previous+induction, rests" in found
    assert {*CLASS_BEHAVIOURS, "rest"} <= set(found)
    assert [text for text in found if text.endswith("\u202f%")].count("30\u202f%") >= 2


@pytest.mark.parametrize("cost", [0.03, np.nan])
def test_rows_of_edges_without_a_name_and_of_no_class_are_drawn_with_their_shares(
    tmp_path, nothing_explained, cost
):
    profile = profile_of({"1.0": ("previous",)})
    shares = {"all": 1.0, "previous": 0.3, "other": 0.52, "rest": 0.1}
    facts = {"method": "mean", "cost": cost, "low": cost - 0.01, "high": cost + 0.01}
    costs = pd.DataFrame(
        {"edges": name, "rows_dominated_by": name, "share": share, **facts} for name, share in shares.items()
    )
    line = verdict_table(profile, nothing_explained).iloc[0]
    with style():
        figure = behaviours_figure(profile, line, "page.html#class=", costs)
        dots = figure.axes[1].collections[-1].get_offsets()
        found = texts_of(figure, tmp_path / "a.svg")
    assert {"other", "52\u202f%", "no class", "8.0\u202f%"} <= set(found)
    assert len(dots) == 1 + (not np.isnan(cost)), "without a cost there is a share alone"


def test_a_head_no_row_of_which_was_measured_has_a_figure_that_says_so(tmp_path, nothing_explained):
    profile = profile_of({"1.0": ("previous", "induction")})
    line = verdict_table(profile, nothing_explained).iloc[0]
    profile[["share", "rest", "cost", "low", "high"]] = np.nan
    with style():
        found = texts_of(behaviours_figure(profile, line), tmp_path / "a.svg")
    assert found.count("no rows") == len(CLASS_BEHAVIOURS) + 1


def test_what_dominates_rows_leads_to_one_of_them(tmp_path, nothing_explained):
    profile = profile_of({"1.0": ("previous", "induction")})
    profile.loc[profile["edges"] == "indent", "share"] = 0.0
    with style():
        line = verdict_table(profile, nothing_explained).iloc[0]
        save_svg(behaviours_figure(profile, line, "page.html#class="), tmp_path / "a.svg")
        save_svg(behaviours_figure(profile, line), tmp_path / "b.svg")
    found = re.findall(r'xlink:href="(page.*?)"', (tmp_path / "a.svg").read_text())
    assert {*found} == {f"page.html#class={name}" for name in (*CLASS_BEHAVIOURS, "rest") if name != "indent"}
    assert "page" not in (tmp_path / "b.svg").read_text()
