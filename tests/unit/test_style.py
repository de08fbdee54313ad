"""The look of figures: slices, inks on light and dark, headlines, tips, and names at the ends of lines."""

from itertools import pairwise
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from saved_figure import contrast, texts_of

from polyhead.attention.distribution_figure import distribution_figure
from polyhead.attention.token_text import TokenBox, token_picture
from polyhead.style import (
    COLOURS,
    DARK,
    FAINT,
    INK,
    OTHER,
    PAPER,
    ROLES,
    SVG,
    THIN,
    as_svg,
    columns_for,
    empty_figure,
    fold_thin,
    headline,
    headline_of,
    ink_on,
    is_empty,
    label_ends,
    percent,
    round_percent,
    save_svg,
    spread,
    style,
    themed,
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
    return pd.DataFrame(lines)


def test_thin_slices_are_one_that_says_what_it_holds_and_bars_stay_whole(shares):
    folded = fold_thin(shares, ["token_label"])
    assert folded.groupby("token_label")["share"].sum().to_dict() == pytest.approx({"all": 1, "x": 1})
    assert folded["rows"].sum() == shares["rows"].sum()
    thin = folded[folded["share"] < THIN]
    assert set(thin["label"]) <= {OTHER, "unknown"}
    [other] = folded[folded["label"] == OTHER].itertuples()
    assert other.tip == "other, bos: 2.9%, eos: 2.0%, duplicate: 0.1%"


def test_a_reader_who_points_at_the_rest_is_told_what_it_is(shares, tmp_path):
    with style():
        found = texts_of(distribution_figure(shares, ["all", "x"], "post"), tmp_path / "a.svg")
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
    assert headline_of(themed(f'<svg xmlns="{SVG}"/>')) == ""


@pytest.mark.parametrize("light", [INK, FAINT])
def test_inks_can_be_read_on_either_paper(light):
    assert contrast(light, PAPER) >= 4.5
    assert contrast(DARK[light], DARK[PAPER]) >= 4.5


@pytest.mark.parametrize("name", COLOURS)
def test_labels_stand_out_on_dark_paper_and_numbers_on_labels(name):
    light, dark = COLOURS[name], DARK.get(COLOURS[name], COLOURS[name])
    assert contrast(dark, DARK[PAPER]) >= 3
    assert contrast(ink_on(light), light) >= 3
    assert contrast(ink_on(light), dark) >= 3, "the number keeps its ink when the slice turns"


def over(fill, ground, opacity=0.75):
    """Return the colour of a fill of the task's picture on its ground."""
    pairs = zip(bytes.fromhex(fill[1:]), bytes.fromhex(ground[1:]), strict=True)
    return "#" + bytes(round(opacity * one + (1 - opacity) * other) for one, other in pairs).hex()


@pytest.mark.parametrize("role", ROLES)
def test_tokens_can_be_read_on_their_part_in_the_task(role):
    assert contrast(INK, over(ROLES[role], PAPER)) >= 4.5
    assert contrast(DARK[INK], over(DARK[ROLES[role]], DARK[PAPER])) >= 4.5


def test_a_picture_of_tokens_turns_and_has_no_ground():
    root = ElementTree.fromstring(token_picture([TokenBox("a", ROLES["answer"]), TokenBox("⏎")]))
    assert "prefers-color-scheme: dark" in root.find(f"{{{SVG}}}style").text
    assert not root.findall(f"{{{SVG}}}rect")
    assert {text.get("fill") for text in root.iter(f"{{{SVG}}}text")} == {INK, FAINT}


def test_rules_for_all_elements_do_not_leak_into_a_page(tmp_path):
    with style():
        figure, axes = plt.subplots()
        tip(axes.bar([0], [1])[0], 'a "tip" & <more>')
        save_svg(figure, tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    [sheet] = root.iter(f"{{{SVG}}}style")
    assert "*" not in sheet.text
    assert root.get("stroke-linejoin") == "round"
    assert [title.text for title in root.iter(f"{{{SVG}}}title")] == ['a "tip" & <more>']


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_names_at_the_ends_of_lines_are_apart_and_inside(wanted):
    wanted, gap = sorted(wanted), 0.1
    places = spread(wanted, gap)
    assert all(later - earlier >= gap - 1e-9 for earlier, later in pairwise(places))
    assert places[-1] <= 1 + 1e-9
    alone = all(later - earlier >= gap for earlier, later in pairwise(wanted))
    assert places == wanted or not alone


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


def test_a_figure_that_says_why_there_is_nothing_to_draw_is_told_from_others():
    with style():
        assert is_empty(as_svg(empty_figure("no row is unknown")))
        assert not is_empty(as_svg(plt.subplots()[0]))


def test_a_legend_has_as_many_columns_as_its_names_leave_room_for():
    assert columns_for(["a", "b"], 7.0, 4) == 4
    assert columns_for(["a" * 40, "b"], 7.0, 4) == 2
    assert columns_for(["a" * 200], 7.0, 4) == 1


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0"),
        (0.0002, "<0.1"),
        (0.0149, "1.5"),
        (0.0994, "9.9"),
        (0.0996, "10"),
        (0.344, "34"),
        (-0.015, "-1.5"),
    ],
)
def test_a_small_share_has_as_many_decimals_in_figures_as_in_the_text(share, text):
    assert percent(share) == f"{text}\u202f%"


def test_a_tick_has_no_needless_decimal():
    assert [round_percent(tick) for tick in (0.0, 0.025, 0.05, 0.3)] == [
        f"{text}\u202f%" for text in ("0", "2.5", "5", "30")
    ]
