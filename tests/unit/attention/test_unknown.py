"""What is in unknown: breakdowns by hand, lifts against loops, a planted behaviour that shows up."""

import numpy as np
import pandas as pd
import pytest

from polyhead.attention.labelled_rows import in_memory
from polyhead.attention.unknown import Occurrences, unknown_mixes, unknown_sources
from polyhead.attention.unknown_figure import standing_out

NAMES = [f"t{i}" for i in range(12)]


def frame(rows):
    columns = ["prompt", "position", "token", "post", "extended"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"post": "category", "extended": "category"})


def test_mixes_by_hand():
    labels = frame(
        [
            (0, 1, 5, "unknown", "current"),
            (0, 2, 5, "unknown", "unknown"),
            (0, 3, 5, "unknown", "current"),
            (0, 4, 5, "previous", "previous"),
            (0, 5, 6, "unknown", "bos+current"),
            (0, 6, 6, "inactive", "bos"),
        ]
    )
    table = unknown_mixes(in_memory(labels, 2), NAMES, minimum=3).set_index(["token_label", "label"])
    assert table["rows"].to_dict() == {
        ("all", "current"): 2,
        ("all", "bos+current"): 1,
        ("all", "unknown"): 1,
        ("t5", "current"): 2,
        ("t5", "unknown"): 1,
    }
    assert table.loc[("t5", "current"), "share"] == pytest.approx(2 / 3)


def test_nothing_unknown_gives_empty_tables():
    labels = frame([(0, 1, 5, "previous", "previous")] * 3)
    assert unknown_mixes(in_memory(labels, 2), NAMES, 1).empty
    sources = unknown_sources(in_memory(labels.assign(top_source=0)), reader(np.zeros((1, 9), int)), NAMES, 1)
    assert sources.empty


def test_occurrences_against_loops():
    rng = np.random.default_rng(0)
    prompts = rng.integers(0, 5, (7, 20))
    occurrences = Occurrences(prompts)
    prompt, position = rng.integers(0, 7, 60), rng.integers(0, 20, 60)
    for token in range(6):  # token 5 never occurs
        found = occurrences.in_reach(token, prompt, position)
        wanted = [(prompts[p, : i + 1] == token).sum() for p, i in zip(prompt, position, strict=True)]
        assert found.tolist() == wanted


@pytest.fixture
def planted():
    """Destinations 5 look at the only token 9 of their prompt in half their rows, else anywhere."""
    rng = np.random.default_rng(1)
    prompts = rng.integers(0, 5, (200, 30))
    prompts[:, 4], prompts[:, 20] = 9, 5
    labels = frame([(p, 20, 5, "unknown", "unknown") for p in range(200)])
    top_source = np.where(np.arange(200) % 2, 4, rng.integers(0, 20, 200)).astype(np.int32)
    return labels, top_source, prompts


def reader(prompts):
    return lambda first, count: prompts[first : first + count]


def sources_of(labels, top_source, prompts, rows=None):
    chunks = in_memory(labels.assign(top_source=top_source), rows)
    return unknown_sources(chunks, reader(prompts), NAMES, minimum=10)


def test_chunks_change_no_number(planted):
    pd.testing.assert_frame_equal(sources_of(*planted, rows=7), sources_of(*planted))


def test_an_undefined_behaviour_shows_up_by_its_lift(planted):
    labels, top_source, prompts = planted
    table = sources_of(labels, top_source, prompts)
    first = table[table["token_label"] == "t5"].iloc[0]
    assert first["source_label"] == "t9"
    assert first["rows"] == (prompts[np.arange(200), top_source] == 9).sum()
    assert first["share"] == pytest.approx(first["rows"] / 200)
    assert first["expected_share"] == pytest.approx(1 / 21)
    assert first["lift"] == pytest.approx(first["share"] * 21)
    assert (table.iloc[1:5]["lift"] < 1.2).all()


def test_rows_with_a_label_are_not_counted(planted):
    labels, top_source, prompts = planted
    named = labels.assign(extended=pd.Categorical(["current"] * 100 + ["unknown"] * 100))
    table = sources_of(named, top_source, prompts)
    assert table[table["token_label"] == "all"]["rows"].sum() <= 100


def test_the_figure_takes_notable_shares_with_the_highest_lift():
    lines = [
        ("a", "x", 0.5, 2.0),
        ("a", "y", 0.001, 99.0),  # a high lift on a negligible share
        ("b", "z", 0.2, 9.0),
        ("c", "x", 0.9, 50.0),  # not shown
        ("b", "<|BOS|>", 0.6, 70.0),  # a behaviour already
    ]
    sources = pd.DataFrame(lines, columns=["token_label", "source_label", "share", "lift"])
    found = standing_out(sources, ["b", "a"])
    assert list(zip(found["token_label"], found["source_label"], strict=True)) == [("b", "z"), ("a", "x")]
