"""Figures of how a head does it: what must be readable is there, as text."""

import pandas as pd
import pytest
from saved_figure import texts_of

from polyhead.mechanism.figures import folded, needs_figure, scores_figure, shown_classes, signed_percent
from polyhead.style import style


def texts(draw, path):
    """Draw a figure, save it, and return its texts."""
    with style():
        return texts_of(draw(), path / "a.svg")


def needs(reach=0.01):
    """Lines of needs.csv, whose intervals reach so far to either side."""
    lines = [
        ("previous", "0.1", "key", 0.2, 0.02),
        ("previous", "0.2", "query", 0.2, 0.5),
        ("other", "0.3", "key", 0.7, 0.3),
        ("previous", "0.3", "key", 0.2, 0.199),
        ("none", "0.1", "key", 0.1, 0.2),
    ]
    table = pd.DataFrame(lines, columns=["edges", "component", "side", "share_clean", "share"])
    return table.assign(share_low=table["share"] - reach, share_high=table["share"] + reach)


def test_inputs_that_surely_change_a_behaviour_are_shown(tmp_path):
    found = texts(lambda: needs_figure(needs()), tmp_path)
    rows = {"previous edges dominate (20\u202f%)", "no class dominates (10\u202f%)"}
    assert {"0.1 key", "0.2 query", "−90", "×2.5"} | rows <= set(found)
    assert "0.3 key" not in found
    said = " ".join(found)
    assert "Without 0.1 in its key, the head loses 90\u202f% of its previous rows" in said


def test_where_nothing_is_sure_the_figure_says_so(tmp_path):
    [said] = texts(lambda: needs_figure(needs(reach=0.6)), tmp_path)
    assert "changes no behaviour" in said


@pytest.mark.parametrize(
    ("change", "text"), [(-0.904, "−90"), (0.05, "+5"), (0.001, "0"), (-0.001, "0"), (1.5, "×2.5")]
)
def test_changes_are_written_with_their_sign(change, text):
    assert signed_percent(change) == text


def contributions():
    names = [*(f"0.{k}" for k in range(8)), "bias", "all"]
    lines = [("previous", q, k, 0.01) for q in names for k in names]
    table = pd.DataFrame(lines, columns=["edges", "query", "key", "contribution"])
    table.loc[(table["query"] == "0.3") & (table["key"] == "0.5"), "contribution"] = 7.0
    return table


def test_components_that_contribute_little_are_summed(tmp_path):
    matrix = folded(contributions())
    assert matrix.loc["0.3", "0.5"] == 7
    assert matrix.shape == (7, 7)
    assert list(matrix.index)[-2:] == ["bias", "others"]
    assert matrix.to_numpy().sum() == pytest.approx(7 + 80 * 0.01, abs=0.8)
    found = texts(lambda: scores_figure(contributions(), needs()), tmp_path)
    assert {"7.0", "0.3", "0.5", "others", "bias", "previous edges dominate: sum 7.8"} <= set(found)


def test_behaviours_are_shown_by_how_common_they_are():
    both = pd.concat([contributions(), contributions().assign(edges="induction")])
    more = pd.concat([needs(), needs().assign(edges="induction", share_clean=0.3)])
    assert shown_classes(both, more) == ["induction", "previous"]
    assert shown_classes(contributions()[:0], more) == []
