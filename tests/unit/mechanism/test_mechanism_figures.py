"""Figures of how a head does it: what must be readable is there, as text."""

import pandas as pd
import pytest
from saved_figure import texts_of

from polyhead.mechanism.figures import folded, needs_figure, scores_figure, shown_inputs, signed_percent
from polyhead.style import style


def texts(draw, path):
    """Draw a figure, save it, and return its texts."""
    with style():
        return texts_of(draw(), path)


def needs(**changes):
    """Lines of needs.csv: each a kind, an input, the share clean, the difference."""
    lines = [
        ("post", "previous", "0.1", "key", 0.2, -0.18),
        ("post", "previous", "0.2", "query", 0.2, 0.3),
        ("post", "unknown", "0.3", "key", 0.8, 0.4),
        ("post", "previous", "0.3", "key", 0.2, -0.001),
        ("edges", "none", "0.1", "key", 0.1, 0.1),
    ]
    columns = ["taxonomy", "label", "component", "side", "share_clean", "difference"]
    table = pd.DataFrame(lines, columns=columns)
    sides = {"joint_low": table["difference"] - 0.01, "joint_high": table["difference"] + 0.01}
    return table.assign(**sides, lost=-table["difference"] / table["share_clean"]).assign(**changes)


def test_inputs_that_surely_change_a_named_kind_are_shown(tmp_path):
    found = texts(lambda: needs_figure(needs()), tmp_path / "a.svg")
    for text in (
        "0.1 key",
        "0.2 query",
        "−90",
        "×2.5",
        "previous (20\u202f%)",
        "no class dominates (10\u202f%)",
    ):
        assert text in found
    assert "0.3 key" not in found


def test_the_title_is_about_rows_by_edges_where_there_are_such(tmp_path):
    by_label = needs()
    by_edges = by_label[by_label["label"] == "previous"].assign(
        taxonomy="edges", label="induction", lost=[0.4, -0.3, 0.01]
    )
    for table, named in (
        (by_label, "90\u202f% of its previous"),
        (pd.concat([by_label, by_edges]), "induction"),
    ):
        said = " ".join(texts(lambda table=table: needs_figure(table), tmp_path / "a.svg"))
        assert "Without its input 0.1 key, the head loses" in said
        assert f"{named} rows" in said


def test_the_title_names_no_loss_that_is_not_sure(tmp_path):
    unsure = needs().assign(joint_high=[0.02, 0.31, 0.41, 0.009, 0.11])
    said = " ".join(texts(lambda: needs_figure(unsure), tmp_path / "a.svg"))
    assert "No single input surely takes rows of a named kind away" in said
    assert "Without its input" not in said


def test_where_nothing_is_sure_the_figure_says_so(tmp_path):
    unsure = needs(joint_low=-1.0, joint_high=1.0)
    [said] = texts(lambda: needs_figure(unsure), tmp_path / "a.svg")
    assert "changes no kind of rows for certain" in said
    assert shown_inputs(unsure.assign(input="", change=1.0)) == []


@pytest.mark.parametrize(
    ("change", "text"), [(-0.904, "−90"), (0.05, "+5"), (0.001, "0"), (-0.001, "0"), (1.5, "×2.5")]
)
def test_changes_are_written_with_their_sign(change, text):
    assert signed_percent(change) == text


def contributions():
    names = [*(f"0.{k}" for k in range(8)), "bias", "all"]
    lines = [("edges", "induction", 500, q, k, 0.01) for q in names for k in names]
    table = pd.DataFrame(lines, columns=["taxonomy", "label", "rows", "query", "key", "contribution"])
    table.loc[(table["query"] == "0.3") & (table["key"] == "0.5"), "contribution"] = 7.0
    return table


def test_components_that_contribute_little_are_summed(tmp_path):
    matrix = folded(contributions())
    assert matrix.loc["0.3", "0.5"] == 7
    assert matrix.shape == (7, 7)
    assert list(matrix.index)[-2:] == ["bias", "others"]
    assert matrix.to_numpy().sum() == pytest.approx(7 + 80 * 0.01, abs=0.8)
    found = texts(lambda: scores_figure(contributions()), tmp_path / "a.svg")
    assert {"7.0", "0.3", "0.5", "others", "bias"} <= set(found)
    assert any(text.startswith("induction edges dominate: sum 7.8") for text in found)


def test_where_no_kind_is_named_for_its_sources_the_figure_says_so(tmp_path):
    [said] = texts(lambda: scores_figure(contributions()[:0]), tmp_path / "a.svg")
    assert "no kind of rows" in said
