"""The look of figures: slices, inks on light and dark, headlines, tips, and names at the ends of lines."""

from itertools import pairwise
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from saved_figure import contrast, texts_of

from polyhead.attention.figures import distribution_figure, folded
from polyhead.style import (
    COLOURS,
    FAINT,
    INK,
    OTHER,
    PAPER,
    ROLES,
    SVG,
    THIN,
    THIS,
    colour,
    empty_figure,
    fold_rare,
    headline,
    headline_of,
    in_our_fonts,
    ink_on,
    is_empty,
    label_ends,
    ordered,
    percent,
    round_percent,
    save_svg,
    spread,
    style,
    tip,
)


@pytest.fixture
def shares():
    parts = {"previous": 0.5, "current": 0.2, "bos": 0.029, "eos": 0.02, "duplicate": 0.001, "unknown": 0.25}
    few = {"previous": 0.981, "unknown": 0.019}
    lines = [
        {"token_label": token, "label": label, "rows": int(1000 * share), "share": share, "taxonomy": "post"}
        for token, values in (("all", parts), ("x", few))
        for label, share in values.items()
    ]
    return pd.DataFrame(lines).assign(share_low=np.nan, share_high=np.nan)


def test_thin_slices_are_one_that_says_what_it_holds_and_bars_stay_whole(shares):
    found, _ = folded(shares, ["token_label"], 9)
    assert found.groupby("token_label")["share"].sum().to_dict() == pytest.approx({"all": 1, "x": 1})
    assert found["rows"].sum() == shares["rows"].sum()
    thin = found[found["share"] < THIN]
    assert set(thin["label"]) <= {OTHER, "unknown"}
    [other] = found[found["label"] == OTHER].itertuples()
    assert other.tip == "other, bos: 2.9%, eos: 2.0%, duplicate: 0.1%"


def test_a_reader_who_points_at_the_rest_is_told_what_it_is(shares, tmp_path):
    with style():
        found = texts_of(distribution_figure(shares, ["all", "x"], "post"), tmp_path / "a.svg")
        save_svg(distribution_figure(shares, ["all", "x"], "post"), tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    titles = [title.text for title in root.iter(f"{{{SVG}}}title")]
    assert "all: other, bos: 2.9%, eos: 2.0%, duplicate: 0.1%" in titles
    assert "x: previous: 98.1%" in titles
    assert "bos" not in found, "what has no slice is not in the legend"
    assert not [element for element in root.iter() if element.get("id", "").startswith("tip")]


def test_a_figure_says_its_headline_whole_and_in_lines_that_fit(tmp_path):
    message = "Ablating the destination costs the answer much, and nothing else does anything " * 3
    with style():
        figure = plt.figure(figsize=(5, 2))
        headline(figure, message.strip())
        box = figure._suptitle.get_window_extent()
        lines = texts_of(figure, tmp_path / "a.svg")
    assert len(lines) > 2
    assert box.width <= figure.bbox.width
    assert headline_of((tmp_path / "a.svg").read_text()) == message.strip()
    assert headline_of(f'<svg xmlns="{SVG}"/>') == ""


def test_inks_can_be_read_on_paper_on_labels_and_on_roles():
    assert all(contrast(ink, PAPER) >= 4.5 for ink in (INK, FAINT, THIS))
    assert all(contrast(ink_on(colour), colour) >= 3 for colour in COLOURS.values())
    for role in ROLES.values():
        opacity, pairs = 0.75, zip(bytes.fromhex(role[1:]), bytes.fromhex(PAPER[1:]), strict=True)
        over = "#" + bytes(round(opacity * one + (1 - opacity) * other) for one, other in pairs).hex()
        assert contrast(INK, over) >= 4.5


def test_rules_for_all_elements_do_not_leak_into_a_page(tmp_path):
    with style():
        figure, axes = plt.subplots()
        tip(axes.bar([0], [1])[0], 'a "tip" & <more>')
        save_svg(figure, tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    [sheet] = root.iter(f"{{{SVG}}}style")
    assert not sheet.text
    assert root.get("stroke-linejoin") == "round"
    assert [title.text for title in root.iter(f"{{{SVG}}}title")] == ['a "tip" & <more>']


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_names_at_the_ends_of_lines_are_apart_and_inside(wanted):
    wanted, gap = sorted(wanted), 0.1
    places = spread(wanted, gap)
    assert all(later - earlier >= gap - 1e-9 for earlier, later in pairwise(places))
    assert places[-1] <= 1 + 1e-9
    alone = all(later - earlier >= gap for earlier, later in pairwise(wanted))
    assert places.tolist() == pytest.approx(wanted) or not alone


@pytest.mark.parametrize("height", [1.6, 2.15, 4])
def test_names_at_the_ends_of_lines_do_not_touch_in_a_figure_of_any_height(height):
    with style():
        figure, axes = plt.subplots(figsize=(7, height))
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="x")
        label_ends(axes, {"one": 0.5, "two": 0.5, "three": 0.52, "four": 0.9}, 1.0)
        figure.draw_without_rendering()
        boxes = sorted((Text.get_window_extent(name) for name in axes.texts), key=lambda box: box.y0)
        assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))
        plt.close(figure)


def test_a_figure_that_says_why_there_is_nothing_to_draw_is_told_from_others(tmp_path):
    with style():
        for figure in (empty_figure("no row is unknown"), plt.subplots()[0]):
            empty = not figure.axes
            save_svg(figure, tmp_path / "a.svg")
            assert is_empty((tmp_path / "a.svg").read_text()) == empty


def test_a_small_share_has_as_many_decimals_in_figures_as_in_the_text_and_a_tick_no_needless_one():
    shares = {
        0.0: "0",
        0.0002: "<0.1",
        0.0149: "1.5",
        0.0994: "9.9",
        0.0996: "10",
        0.344: "34",
        -0.015: "-1.5",
    }
    assert [percent(share) for share in shares] == [f"{text}\u202f%" for text in shares.values()]
    ticks = {0.0: "0", 0.025: "2.5", 0.05: "5", 0.3: "30"}
    assert [round_percent(tick) for tick in ticks] == [f"{text}\u202f%" for text in ticks.values()]


def test_labels_keep_one_order_with_unlisted_mixes_before_unknown():
    found = ordered(["unknown", "bos+current", "inactive", "previous", "previous"])
    assert found == ["previous", "inactive", "bos+current", "unknown"]


def test_colours_of_mixes_differ_and_get_paler():
    mixes = ["bos", "bos+previous", "bos+previous+current", "previous+current", "current"]
    assert len({colour(mix) for mix in mixes}) == len(mixes)
    assert colour("previous") == COLOURS["previous"]
    light = [sum(bytes.fromhex(colour("+".join(parts))[1:])) for parts in (["eos"], ["eos"] * 2, ["eos"] * 3)]
    assert light == sorted(light)


def test_rare_behaviours_are_added_up_and_unknown_stays(shares):
    one = shares[shares["token_label"] == "all"]
    folded = fold_rare(one, ["token_label"], most=3)
    found = folded.set_index("label")["share"].to_dict()
    assert found == pytest.approx({"previous": 0.5, "unknown": 0.25, OTHER: 0.25})
    assert folded["rows"].sum() == 1000
    assert fold_rare(one, ["token_label"], most=6) is one


def test_characters_that_our_fonts_lack_are_codes_and_named(capsys):
    assert in_our_fonts("`⏎[·×3]` 今") == r"`⏎[·×3]` \u4eca"
    assert r"'\u4eca'" in capsys.readouterr().out
