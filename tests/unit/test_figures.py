"""Figures of section 1: every number and name that must be readable is there, as text."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from saved_figure import texts_of

from polyhead.attention.atlas_figure import HIGHEST, atlas_figure
from polyhead.attention.distribution_figure import distribution_figure
from polyhead.attention.sensitivity_figure import nearest, sensitivity_figure
from polyhead.attention.unknown_figure import unknown_figure
from polyhead.files import read_csv, write_csv
from polyhead.style import COLOURS, OTHER, THIS, colour, fold_rare, ordered, percent, save_svg, style

THIN = "\u202f%"


def texts(draw, path):
    """Draw a figure, save it, and return its texts."""
    with style():
        return texts_of(draw(), path)


def shares(label, group, values):
    """Lines of a table of shares, of 1000 rows."""
    return [
        {label: group, "label": name, "rows": int(1000 * share), "share": share}
        for name, share in values.items()
    ]


@pytest.fixture
def distribution_table():
    lines = shares("token_label", "all", {"previous": 0.6, "unknown": 0.38, "inactive": 0.02})
    lines += shares("token_label", "⏎[·×3]", {"previous": 0.1, "unknown": 0.9})
    table = pd.DataFrame(lines).assign(taxonomy="post")
    return table.assign(low=table["share"] - 0.02, high=table["share"] + 0.02)


def test_distribution(distribution_table, tmp_path):
    found = texts(
        lambda: distribution_figure(distribution_table, ["all", "⏎[·×3]"], "post"), tmp_path / "a.svg"
    )
    for text in (
        "⏎[·×3]",
        "all",
        "previous",
        f"other (under 3{THIN} each)",
        f"60{THIN}",
        f"90{THIN}",
        "destination token",
    ):
        assert text in found
    assert f"2{THIN}" not in found  # too narrow for a number


def test_a_bar_without_interval_is_drawn_from_the_file(distribution_table, tmp_path):
    alone = distribution_table["token_label"] == "⏎[·×3]"
    distribution_table.loc[alone, ["low", "high"]] = np.nan
    write_csv(tmp_path / "distribution.csv", distribution_table)
    table = read_csv(tmp_path / "distribution.csv")
    assert f"90{THIN}" in texts(
        lambda: distribution_figure(table, ["all", "⏎[·×3]"], "post"), tmp_path / "a.svg"
    )


def test_the_same_table_gives_the_same_bytes(distribution_table, tmp_path):
    for name in ("a", "b"):
        texts(lambda: distribution_figure(distribution_table, ["all"], "post"), tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_sensitivity(tmp_path):
    lines = [
        {**one, "taxonomy": "post", "previous_window": window, "threshold": threshold}
        for window in (1, 4)
        for threshold in (0.8, 0.95)
        for one in shares("x", 0, {"previous": 0.3, "unknown": 0.7})
    ]
    found = texts(lambda: sensitivity_figure(pd.DataFrame(lines), 4, 0.95), tmp_path / "a.svg")
    assert {"post, K = 4", "post, τ = 0.95", "threshold τ", "window K", "unknown"} <= set(found)


def test_sensitivity_marks_the_nearest_threshold_of_the_grid():
    assert nearest(pd.Series([0.8, 0.9, 0.95]), 0.93) == 0.95


def test_unknown(tmp_path):
    mixes = pd.DataFrame(shares("token_label", "all", {"current": 0.4, "unknown": 0.6}))
    source = {"token_label": "all", "source_label": "·def", "rows": 60, "share": 0.1, "expected_share": 0.005}
    sources = pd.DataFrame([{**source, "lift": 20.0}])
    found = texts(lambda: unknown_figure(mixes, sources, ["all", "absent"]), tmp_path / "a.svg")
    assert {"all → ·def", f"10{THIN}, lift 20", "current"} <= set(found)


def test_unknown_with_nothing_left(tmp_path):
    mixes = pd.DataFrame(shares("token_label", "all", {"current": 1.0}))
    sources = pd.DataFrame(
        columns=["token_label", "source_label", "rows", "share", "expected_share", "lift"]
    ).astype({"share": float, "expected_share": float, "lift": float})
    found = texts(lambda: unknown_figure(mixes, sources, ["all"]), tmp_path / "a.svg")
    assert {"current", "no source stands out in what is left"} <= set(found)
    found = texts(lambda: unknown_figure(mixes[:0], sources, ["all"]), tmp_path / "b.svg")
    assert found == ["no row is unknown"]


def test_atlas(tmp_path):
    lines = [
        {**one, "head": f"{layer}.{head}", "taxonomy": "post", "entropy": 0.25 + layer}
        for layer in range(2)
        for head in range(3)
        for one in shares("x", 0, {"previous": 0.3, "unknown": 0.7})
    ]
    found = texts(lambda: atlas_figure(pd.DataFrame(lines), [(1, 2)]), tmp_path / "a.svg")
    assert (found.count("0.25"), found.count("1.25")) == (3, 3)
    assert {"labels: post", "0.0", "1.2"} <= set(found)


def test_the_atlas_of_many_heads_fits_on_a_page_and_says_every_share_on_pointing(tmp_path):
    lines = [
        {**one, "head": f"{layer}.{head}", "taxonomy": taxonomy, "entropy": 0.5}
        for taxonomy in ("post", "extended")
        for layer in range(30)
        for head in range(9)
        for one in shares("x", 0, {"previous": 0.3, "unknown": 0.7})
    ]
    with style():
        figure = atlas_figure(pd.DataFrame(lines), [(23, 6)])
        found = texts_of(figure, tmp_path / "a.svg")
    assert figure.get_figheight() <= HIGHEST
    assert {"labels: post", "labels: extended", "layer", "head"} <= set(found)
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert svg.count(">29.8: previous: 30.0%<") == svg.count(">0.0: unknown: 70.0%<") == 2
    assert svg.count(f' stroke="{THIS}"') == 2, "the study's head has a frame in each map"


def test_the_legend_of_long_labels_stays_inside_the_figure(tmp_path):
    behaviours = ("bos", "current", "indent_smaller", "duplicate", "previous")
    mixes = {f"{one}+indent_bigger+{other}": 0.1 for one, other in pairwise(behaviours * 2)}
    table = pd.DataFrame(shares("token_label", "all", dict.fromkeys([*mixes, "unknown"], 0.1)))
    sources = {
        "token_label": ["all"],
        "source_label": ["a"],
        "share": [0.0],
        "expected_share": 0.0,
        "lift": 1.0,
    }
    with style():
        figure = unknown_figure(table, pd.DataFrame(sources), ["all"])
        figure.draw_without_rendering()
        legend = figure.axes[0].get_legend()
        assert len(legend.get_texts()) > 4
        assert legend.get_window_extent().x1 <= figure.bbox.x1
        save_svg(figure, tmp_path / "a.svg")


def test_percent_has_a_thin_space():
    assert percent(0.256) == f"26{THIN}"


def test_labels_keep_one_order_with_unlisted_mixes_before_unknown():
    found = ordered(["unknown", "bos+current", "inactive", "previous", "previous"])
    assert found == ["previous", "inactive", "bos+current", "unknown"]


def test_colours_of_mixes_differ_and_get_paler():
    mixes = ["bos", "bos+previous", "bos+previous+current", "previous+current", "current"]
    assert len({colour(mix) for mix in mixes}) == len(mixes)
    light = [
        sum(bytes.fromhex(colour(mix)[1:]))
        for mix in ("previous", "previous+current", "previous+current+eos")
    ]
    assert light == sorted(light)
    assert colour("previous") == COLOURS["previous"]


def test_rare_behaviours_are_added_up_and_unknown_stays():
    values = {"previous": 0.5, "current": 0.3, "bos": 0.1, "eos": 0.06, "unknown": 0.04}
    folded = fold_rare(pd.DataFrame(shares("token_label", "all", values)), ["token_label"], most=3)
    assert folded.set_index("label")["share"].to_dict() == pytest.approx(
        {"previous": 0.5, "current": 0.3, "unknown": 0.04, OTHER: 0.16}
    )
    assert folded["rows"].sum() == 1000
    few = pd.DataFrame(shares("token_label", "all", values))
    assert fold_rare(few, ["token_label"], most=5) is few
    assert np.isclose(few["share"].sum(), 1)
