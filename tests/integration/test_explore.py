"""`polyhead.explore`: the explorer for prompts of one's own."""

import json
import re

import browser
import numpy as np
import pytest
import torch
from test_explorer import NASTY, unpack

import polyhead
from polyhead.ablation import patching
from polyhead.errors import PolyheadError
from polyhead.interactive import next_token_probabilities
from polyhead.model.head import Head

HEAD = Head(1, 2)


@pytest.fixture(scope="module")
def model(model_dir):
    return polyhead.open_model(model_dir)


def data_of(exploration):
    return json.loads(re.search(r'id="data">(.*?)</script>', exploration.page)[1])


def own_mean(rows):
    """The mean is one over the prompt's own rows."""
    return rows[:, 1:].mean(1, keepdim=True).expand_as(rows)


@pytest.mark.parametrize(("method", "edit"), [("bos", "bos"), ("mean", own_mean), ("zero", "zero")])
def test_what_the_last_prediction_loses_is_what_one_run_for_each_position_says(model, prompts, method, edit):
    tokens = prompts[0, :12].astype(int)
    [record] = data_of(polyhead.explore(model, "1.2", tokens, method=method))["prompts"]
    answer = torch.tensor([record["last"]["answer"]])
    slow = patching.ablate(model.model, torch.from_numpy(tokens[None]), answer, HEAD, edit)
    found = [record["last"]["clean"], *unpack(record["last"]["ablated"], "<f4")]
    np.testing.assert_allclose(found, slow.probability[0], rtol=1e-4)
    assert int(slow.rank[0, 0]) == 0


def test_first_predictions_are_the_models_clean_and_ablated_at_each_token(model, prompts):
    tokens = prompts[0, :12].astype(int)
    [record] = data_of(polyhead.explore(model, "L1H2", tokens))["prompts"]
    for row in (5, 11):
        runs = next_token_probabilities(model.model, HEAD, tokens[: row + 1], [row], "bos")
        for name, expected in zip(("clean", "ablated"), runs, strict=True):
            ids, probability = record["predictions"][name]
            assert unpack(ids, "<u4").reshape(-1, 5)[row - 1].tolist() == (-expected).argsort()[:5].tolist()
            found = unpack(probability, "<u2").reshape(-1, 5)[row - 1] / 65535
            np.testing.assert_allclose(found, np.sort(expected)[::-1][:5], atol=2e-5)


def test_an_answer_may_be_named(model):
    prompts = ["self value", "def"]
    records = data_of(polyhead.explore(model, "1.2", prompts, [" =", "self"]))["prompts"]
    labels = [model.vocabulary.labels[one["last"]["answer"]] for one in records]
    assert labels == ["·=", "self"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prompts": ""}, "a prompt is a text"),
        ({"prompts": []}, "no prompt given"),
        ({"prompts": "a" * 500}, "the model reads 64"),
        ({"prompts": [0, 10**6]}, "tokens are numbers from 0"),
        ({"head": "7.0"}, "no head 7.0"),
        ({"threshold": 3.0}, "it is above 0 and at most 1"),
        ({"window": -2}, "a whole number from 1 on"),
        ({"prompts": np.r_[5, np.zeros(3000, int)]}, "a prompt is a text"),
        ({"prompts": ["self"] * 2100}, "a page shows 4096"),
        ({"method": "resample"}, "there are bos, mean, zero"),
        ({"answers": "self value"}, "is not a single token"),
        ({"answers": ["a", "b"]}, "1 prompts and 2 answers"),
    ],
)
def test_what_cannot_be_explored_ends_in_one_line(model, given, message):
    with pytest.raises(PolyheadError, match=message) as error:
        polyhead.explore(**{"model": model, "head": "1.2", "prompts": "self", **given})
    assert "\n" not in str(error.value)


@browser.needed
def test_the_page_says_what_was_lost_and_where(page, model, tmp_path):
    found = polyhead.explore(model, "1.2", [f"self {NASTY[:9]}{NASTY[-5:]}", "self = self"])
    found.save(tmp_path / "own.html")
    frame = tmp_path / "frame.html"
    frame.write_text(f"<!DOCTYPE html><meta charset=utf-8>{found._repr_html_()}", encoding="utf-8")
    page.open(tmp_path / "own.html", "#prompt=1&position=2", width=390)
    assert page.complaints == []
    assert page.count("#bars i") == 3
    assert page.count("#first tbody tr") == 5
    assert "has probability" in page.text("answer")
    page.run("document.querySelector('#bars i').click()")
    assert "position 1 of prompt 1" in page.text("said")
    assert page.run("document.documentElement.scrollWidth") <= 390
    page.open(tmp_path / "own.html", height=400)
    assert page.box("#text .destination")["bottom"] <= page.box("#text")["bottom"]
    assert page.count("img") == 0
    page.open(frame)
    assert page.complaints == []
    assert page.count("iframe") == 1
