import base64
import json
import re

import browser
import numpy as np
import pandas as pd
import pytest
from report_study import SOURCES

from polyhead.chunks import in_memory
from polyhead.explorer import BUDGET, as_script, explorer_page, explorer_rows, pack, row_limit, sample_groups
from polyhead.models import open_model
from polyhead.rows import patterns

HEAD = (1, 2)
NASTY = '</script><img src="https://example.org/x.png" onerror="document.title=1">'
needs_browser = pytest.mark.skipif(browser.program() is None, reason=browser.HOW_TO_INSTALL)


def unpack(text):
    return np.frombuffer(base64.b64decode(text), "<u2")


@pytest.fixture(scope="module")
def labels(prompts):
    count, length = prompts.shape
    position = np.tile(np.arange(1, length, dtype=np.int32), count)
    prompt = np.repeat(np.arange(count, dtype=np.int32), length - 1)
    table = pd.DataFrame({"prompt": prompt, "position": position, "token": prompts[:, 1:].ravel()})
    post = np.where(position % 3 == 0, "previous", "unknown")
    return table.assign(
        post=pd.Categorical(post), extended=pd.Categorical(np.where(position % 5, "bos", "unknown"))
    )


@pytest.fixture(scope="module")
def shown(prompts, vocabulary):
    ids, counts = np.unique(prompts[:, 1:], return_counts=True)
    return ["all", *(vocabulary.labels[i] for i in ids[np.argsort(-counts)[:2]])]


@pytest.fixture(scope="module")
def rows(model_dir, prompts, labels, shown):
    return explorer_rows(
        *open_model(model_dir),
        HEAD,
        prompts.__getitem__,
        prompts.shape[1],
        in_memory(labels, 37),
        shown,
        ["post", "extended"],
        3,
    )


def test_groups_hold_only_rows_of_their_kind(labels, vocabulary, shown):
    groups, rows = sample_groups(in_memory(labels, 37), vocabulary.labels, shown, ["post", "extended"], 3, 60)
    pd.testing.assert_frame_equal(rows, labels.loc[rows.index])
    assert {(g.token, g.taxonomy) for g in groups} == {*((t, "post") for t in shown), ("all", "extended")}
    for group in groups:
        found = rows.iloc[group.rows]
        assert set(found[group.taxonomy]) == {group.label}
        if group.token != "all":
            assert {vocabulary.labels[token] for token in found["token"]} == {group.token}
        whole = (
            labels
            if group.token == "all"
            else labels[labels["token"] == vocabulary.labels.index(group.token)]
        )
        assert group.total == (whole[group.taxonomy] == group.label).sum()


def test_groups_are_of_one_size_and_within_the_limit(labels, vocabulary, shown):
    groups, rows = sample_groups(in_memory(labels), vocabulary.labels, shown, ["post", "extended"], 3, 40)
    assert len(rows) <= 40
    assert all(len(group.rows) == min(40 // len(groups), group.total) for group in groups)


def test_another_seed_draws_other_rows(labels, vocabulary, shown):
    chunks = in_memory(labels)
    one, other = (sample_groups(chunks, vocabulary.labels, shown, ["post"], seed, 30)[1] for seed in (1, 2))
    assert one.index.tolist() != other.index.tolist()


def test_the_sample_does_not_depend_on_the_chunks(labels, vocabulary, shown):
    samples = (
        sample_groups(in_memory(labels, size), vocabulary.labels, shown, ["post", "extended"], 3, 40)
        for size in (1000, 11)
    )
    (groups, rows), (others, other) = samples
    pd.testing.assert_frame_equal(rows, other)
    assert groups == others


def test_weights_are_the_models(rows, model_dir, prompts):
    import torch

    model, _ = open_model(model_dir)
    pattern = patterns(model, [HEAD], torch.from_numpy(prompts).long())[:, 0].numpy()
    for place, position, coded in zip(
        *(rows["rows"][k] for k in ("prompt", "position", "weights")), strict=True
    ):
        weights = unpack(coded) / 65535
        assert len(weights) == position + 1
        expected = pattern[rows["numbers"][place], position, : position + 1]
        np.testing.assert_allclose(weights, expected, atol=1e-5)


def test_prompts_are_the_studys(rows, prompts):
    for number, coded in zip(rows["numbers"], rows["prompts"], strict=True):
        assert [rows["tokens"][i][0] for i in unpack(coded)] == prompts[number].tolist()


@pytest.mark.parametrize("context", [64, 256, 1024, 2048])
def test_rows_fit_into_the_page_whatever_the_context(context):
    rows, prompt = row_limit(context), len(pack(np.ones(context)))
    usual, worst = rows * prompt / 2 + rows / 4 * prompt, rows * prompt / 2 + rows * prompt
    assert usual <= BUDGET * 1.01
    assert worst <= 2 * BUDGET * 1.01
    assert row_limit(256) == 3000


def test_common_rows_come_from_few_prompts(labels, vocabulary):
    _, rows = sample_groups(in_memory(labels), vocabulary.labels, ["all"], ["post"], 3, 8)
    assert rows["prompt"].nunique() <= 2
    assert len(rows) == 8


def test_data_cannot_end_its_script_element():
    text = as_script([NASTY, "a&b"])
    assert "<" not in text
    assert json.loads(text) == [NASTY, "a&b"]


def write_page(folder, rows):
    path = folder / "explorer.html"
    path.write_text(explorer_page(rows, SOURCES / "explorer", "1.2", "toy model", "test"), encoding="utf-8")
    return path


def test_the_page_is_whole_and_names_nothing_outside(rows, tmp_path):
    text = write_page(tmp_path, rows).read_text(encoding="utf-8")
    assert not re.search(r"@(STYLE|SCRIPT|DATA)@", text)
    assert "http" not in text.replace("http-equiv", "")


@pytest.fixture(scope="module")
def page():
    with browser.browsing() as opened:
        yield opened


def shown_row(page):
    return page.run("document.getElementById('caption').textContent"), page.run("location.hash")


@needs_browser
def test_the_page_opens_without_network_and_without_complaint(page, rows, tmp_path):
    path = write_page(tmp_path, rows)
    page.open(path)
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [path.as_uri()]
    assert page.run("document.querySelectorAll('#text span').length") > 1


@needs_browser
def test_keys_leaf_through_rows(page, rows, tmp_path):
    page.open(write_page(tmp_path, rows))
    first = shown_row(page)
    page.press("ArrowRight")
    second = shown_row(page)
    page.press("ArrowLeft")
    assert first != second
    assert shown_row(page) == first
    page.press("ArrowDown")
    assert page.run("document.getElementById('label').value") == "post:unknown"


@needs_browser
def test_the_filter_shows_rows_of_that_kind_only(page, rows, shown, tmp_path):
    page.open(write_page(tmp_path, rows))
    page.run(
        f"(() => {{ const s = document.getElementById('token'); s.value = {json.dumps(shown[1])};"
        "s.dispatchEvent(new Event('change')); })()"
    )
    group = next(g for g in rows["groups"] if g["token"] == shown[1])
    assert page.run("document.getElementById('place').textContent") == f"1 of {len(group['rows'])}"
    assert page.run("document.querySelector('#text .destination').textContent") == shown[1]


@needs_browser
def test_pointing_at_a_token_shows_its_weight_and_id(page, rows, tmp_path):
    page.open(write_page(tmp_path, rows))
    assert page.run("document.getElementById('tip').hidden")
    page.hover("#text span:nth-child(1)")
    assert not page.run("document.getElementById('tip').hidden")
    group = next(g for g in rows["groups"] if g["token"] == "all")
    weights = unpack(rows["rows"]["weights"][group["rows"][0]]) / 65535
    tip = page.run("document.getElementById('tip').textContent")
    assert f"weight {weights[0]:.3f} · position 0 · token id 0" in tip


@needs_browser
def test_a_fragment_leads_to_its_row(page, rows, tmp_path):
    path = write_page(tmp_path, rows)
    page.open(path)
    page.press("ArrowDown")
    page.press("ArrowRight")
    caption, fragment = shown_row(page)
    page.open(path, fragment)
    assert shown_row(page) == (caption, fragment)


@needs_browser
def test_a_fragment_that_makes_no_sense_does_no_harm(page, rows, tmp_path):
    page.open(write_page(tmp_path, rows), "#token=no&label=nothing&row=-7")
    assert page.complaints == []
    assert page.run("document.getElementById('place').textContent").startswith("1 of")


@needs_browser
def test_tokens_are_text_never_markup(page, rows, tmp_path):
    tokens = [[number, NASTY + label, breaks] for number, label, breaks in rows["tokens"]]
    path = write_page(tmp_path, rows | {"tokens": tokens})
    page.open(path)
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.querySelector('#text span').textContent").startswith(NASTY)
    assert [url for url in page.requests if not url.startswith("data:")] == [path.as_uri()]


@needs_browser
def test_nothing_is_wider_than_a_phone(page, rows, tmp_path):
    page.open(write_page(tmp_path, rows), width=390, height=800)
    assert page.run("document.documentElement.scrollWidth") <= 390
