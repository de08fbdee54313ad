"""Examples: drawn at random and reproducibly; pictures hold hostile text as text."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import torch

from polyhead.attention.examples import (
    TokenBox,
    draw_rows,
    examples,
    picture,
    shown_places,
    token_picture,
    write_examples,
)
from polyhead.attention.rows import patterns
from polyhead.model.opening import open_model

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def opened(model_dir):
    return open_model(model_dir)[0]


@pytest.fixture
def labels(prompts):
    prompt, position = (grid.reshape(-1) for grid in np.mgrid[:6, 1:48])
    rows = {"prompt": prompt, "position": position, "token": prompts[prompt, position]}
    return pd.DataFrame({**rows, "post": "unknown", "extended": "bos+current"})


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_drawn_rows_are_of_the_token_distinct_and_seeded(labels):
    token = int(labels["token"].mode()[0])
    drawn = draw_rows(labels, [token], 5, seed=3)
    assert set(drawn["token"]) == {token}
    assert not drawn.index.has_duplicates
    pd.testing.assert_frame_equal(drawn, draw_rows(labels, [token], 5, seed=3))
    assert not drawn.index.equals(draw_rows(labels, [token], 5, seed=4).index)


def test_a_rare_token_gives_the_rows_it_has(labels):
    assert len(draw_rows(labels.iloc[:1], [int(labels["token"][0])], 5, seed=0)) == 1


def test_no_token_to_show_gives_a_table_without_rows(labels):
    drawn = draw_rows(labels, [], 5, seed=0)
    assert drawn.empty
    assert list(drawn.columns) == list(labels.columns)


def test_draws_are_uniform():
    rows = pd.DataFrame({"token": np.zeros(10, int), "place": range(10)})
    drawn = np.concatenate([draw_rows(rows, [0], 2, seed)["place"] for seed in range(500)])
    assert (abs(np.bincount(drawn) - 100) < 45).all()


def test_records_and_pictures_on_disk(opened, vocabulary, prompts, labels, tmp_path):
    drawn = examples(opened, vocabulary, (1, 0), prompts, labels.iloc[[30, 90]], 90, ["post", "extended"])
    write_examples(tmp_path / "examples.json", tmp_path / "examples", drawn)
    record, second = json.loads((tmp_path / "examples.json").read_text())
    assert record["behaviours"] == {"post": "unknown", "extended": "bos+current"}
    assert record["token_label"] == vocabulary.labels[prompts[0, 31]]
    assert (second["prompt"], second["position"], second["label"]) == (1, 44, "unknown")
    weights = [top["weight"] for top in record["top_weights"]]
    assert weights == sorted(weights, reverse=True)
    row = patterns(opened, [(1, 0)], torch.from_numpy(prompts[:1]).long())[0, 0, 31]
    assert weights == pytest.approx(row.topk(5).values.tolist(), abs=1e-6)
    assert record["svg"] == "examples/00.svg"
    assert len(texts((tmp_path / record["svg"]).read_text())) == 32  # BOS to destination


def test_no_example_gives_an_empty_list_and_folder(tmp_path):
    write_examples(tmp_path / "examples.json", tmp_path / "examples", [])
    assert (tmp_path / "examples.json").read_text() == "[]\n"
    assert list((tmp_path / "examples").iterdir()) == []


def test_hidden_tokens_are_counted_with_their_weight(vocabulary, prompts):
    weights = np.full(41, 1 / 41, np.float32)
    svg = picture(vocabulary, prompts[0], weights, before=10, description="d")
    shown = texts(svg)
    assert len(shown) == 1 + 1 + 11  # BOS, what is hidden, ten before and the destination
    assert f"{29} tokens, weight {29 / 41:.2f}" in shown[1]


def test_nothing_that_holds_much_is_left_out():
    weights = np.full(61, 0.001)
    weights[[0, 20, 40]] = 0.3, 0.4, 0.06
    shown = shown_places(weights, before=5)
    assert shown == [0, *range(17, 24), *range(37, 44), *range(55, 61)]
    weights[26] = 0.05  # what is left between two stretches is too short to be left out
    assert set(range(17, 30)) <= set(shown_places(weights, before=5))


HOSTILE = ["<script>alert(1)</script>", "a&b", '"q"', "]]>", "\x00\x0b", "\ud800", "￾", "日本", "</text>"]


def test_hostile_text_stays_text():
    boxes = [TokenBox(text, hover=text) for text in HOSTILE]
    svg = token_picture(boxes, description="<&>")
    tree = ET.fromstring(svg.encode())
    assert len(list(tree.iter(f"{SVG}text"))) == len(HOSTILE)
    assert not [element for element in tree.iter() if element.tag.endswith("script")]
    assert texts(svg)[:4] == HOSTILE[:4]
    assert texts(svg)[4:8] == [r"\x00\x0b", r"\ud800", r"\ufffe", r"\u65e5\u672c"]
    assert tree.find(f"{SVG}title").text == "<&>"


def test_lines_break_at_the_width_and_after_a_newline():
    boxes = [TokenBox("abcd"), TokenBox("efgh"), TokenBox("ij", breaks=True), TokenBox("k")]
    tree = ET.fromstring(token_picture(boxes, columns=8))
    lines = {element.text: float(element.get("y")) for element in tree.iter(f"{SVG}text")}
    assert lines["abcd"] == lines["efgh"] < lines["ij"] < lines["k"]
