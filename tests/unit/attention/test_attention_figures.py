"""Figures of what heads attend to: every number and name that must be readable is there, as text."""

from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from saved_figure import texts_of

from polyhead.attention.figures import HIGHEST, atlas_figure, distribution_figure, sensitivity_figure
from polyhead.files import read_csv, write_csv
from polyhead.style import SVG, THIS, style

THIN = "\u202f%"


def texts(draw, path):
    """Draw a figure, save it, and return its texts."""
    with style():
        return texts_of(draw(), path)


def shares(values, **columns):
    """Lines of a table of shares, of 1000 rows."""
    return [
        {**columns, "label": name, "rows": int(1000 * share), "share": share}
        for name, share in values.items()
    ]


@pytest.fixture
def table():
    lines = shares({"previous": 0.6, "unknown": 0.38, "inactive": 0.02}, token_label="all")
    lines += shares({"previous": 0.1, "unknown": 0.9}, token_label="⏎[·×3]")
    table = pd.DataFrame(lines).assign(taxonomy="post")
    return table.assign(share_low=table["share"] - 0.02, share_high=table["share"] + 0.02)


def test_distribution(table, tmp_path):
    found = texts(lambda: distribution_figure(table, ["all", "⏎[·×3]"], "post"), tmp_path / "a.svg")
    names = {"⏎[·×3]", "all", "previous", f"other (under 3{THIN} each)", "destination token", "1\u2009000"}
    assert names | {f"60{THIN}", f"90{THIN}"} <= set(found)
    assert f"2.0{THIN}" not in found  # too narrow for a number


def test_a_bar_without_interval_is_drawn_from_the_file(table, tmp_path):
    table.loc[table["token_label"] == "⏎[·×3]", ["share_low", "share_high"]] = np.nan
    write_csv(tmp_path / "distribution.csv", table)
    table = read_csv(tmp_path / "distribution.csv")
    found = texts(lambda: distribution_figure(table, ["all", "⏎[·×3]"], "post"), tmp_path / "a.svg")
    assert f"90{THIN}" in found


def test_slices_fill_their_bar_and_whiskers_stand_at_their_ends(table):
    with style():
        (axes,) = distribution_figure(table, ["all", "⏎[·×3]"], "post").axes
    bars = [patch for patch in axes.patches if patch.get_width() > 0]
    for y in {patch.get_y() for patch in bars}:
        slices = [patch for patch in bars if patch.get_y() == y]
        assert min(patch.get_x() for patch in slices) == 0
        assert sum(patch.get_width() for patch in slices) == pytest.approx(1)
    ends = sorted(segment[:, 0].tolist() for segment in axes.collections[0].get_segments())
    assert ends == pytest.approx(np.array([[0.08, 0.12], [0.58, 0.62]]))
    plt.close()


def test_sensitivity(tmp_path):
    lines = [
        line
        for window in (1, 4)
        for threshold in (0.8, 0.95)
        for line in shares(
            {"previous": 0.3, "unknown": 0.7}, taxonomy="post", previous_window=window, threshold=threshold
        )
    ]
    found = texts(lambda: sensitivity_figure(pd.DataFrame(lines), 4, 0.93), tmp_path / "a.svg")
    assert {"post", "threshold τ", "window K", "previous", "unknown"} <= set(found)


@pytest.mark.parametrize(("layers", "heads", "maps", "numbers"), [(2, 3, 2, 12), (30, 9, 1, 0)])
def test_the_atlas_fits_on_a_page_and_says_every_share_on_pointing(tmp_path, layers, heads, maps, numbers):
    """A few large bars have numbers in them, many small ones have none; a deep model has one map."""
    table = pd.DataFrame(
        line
        for taxonomy in ("post", "extended")
        for layer in range(layers)
        for head in range(heads)
        for line in shares({"previous": 0.3, "unknown": 0.7}, taxonomy=taxonomy, head=f"{layer}.{head}")
    ).assign(share_low=0.2, share_high=0.8)
    with style():
        figure = atlas_figure(table, [(1, 2)])
        found = texts_of(figure, tmp_path / "a.svg")
    assert figure.get_figheight() <= HIGHEST
    assert {"labels: post", "layer", "head", "previous"} <= set(found)
    assert found.count("labels: extended") == maps - 1
    assert found.count(f"70{THIN}") == numbers
    titles = [title.text for title in ElementTree.parse(tmp_path / "a.svg").iter(f"{{{SVG}}}title")]
    last = f"{layers - 1}.{heads - 1}"
    assert titles.count(f"{last}: previous: 30.0%") == titles.count("0.0: unknown: 70.0%") == maps
    frames = [
        patch for axes in figure.axes for patch in axes.patches if to_hex(patch.get_edgecolor()) == THIS
    ]
    assert len(frames) == maps, "the study's head has a frame in each map"
