"""Figures of section 1: every number and name that must be readable is there, as text."""

import numpy as np
import pandas as pd
import pytest
from saved_figure import texts_of

from polyhead.benchmarks.attention import COLUMNS, NAMES, line
from polyhead.benchmarks.attention_figure import benchmark_figure
from polyhead.style import COLOURS, OTHER, colour, fold_rare, ordered, percent, style

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


def test_benchmark(tmp_path):
    lines = [
        line(name, "prompts of 1024 tokens, threads: 1", "s per prompt", 0.25, 0.2, 0.3, 7)
        for name in NAMES.values()
    ]
    for number in (100, 1000):
        case = f"{number} prompts of 256 tokens, heads: one"
        lines += [line("CPU time", case, "s", number / 50), line("peak memory", case, "MiB", 812.3)]
    found = texts(lambda: benchmark_figure(pd.DataFrame(lines, columns=COLUMNS)), tmp_path / "a.svg")
    assert {NAMES["c"], NAMES["d"], "0.25 s", "812 MiB"} <= set(found)


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
