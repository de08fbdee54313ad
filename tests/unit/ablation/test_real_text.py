"""Effects on real text against one full run per position, and their table by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from test_patching import draw_tokens, toy

import polyhead.ablation.real_text
import polyhead.model.streams
from polyhead.ablation.patching import replacement
from polyhead.ablation.real_text import effect_rows, effects_by_label, single_position_effects
from polyhead.attention.labelled_rows import in_memory, labels_until
from polyhead.prompts.clusters import STRIDE, Clustering, Clusterings, prompts_as_clusters


def slow_effect(model, tokens, layer, head, dest):
    """Run the whole model up to `dest` with the head's row there replaced; read the next token there."""
    residual = model.residual_before(0, tokens[:, : dest + 1])
    for number, one in enumerate(model.layers):
        pattern = one.pattern(residual).clone()
        if number == layer:
            pattern[:, head, dest] = replacement(pattern[:, head], "bos")[:, dest]
        residual = residual + one.write(pattern @ one.sides(one.ln1(residual))[2])
    after = model.logits(residual)[:, dest].log_softmax(-1).gather(1, tokens[:, dest + 1, None])
    before = model(tokens)[:, dest].log_softmax(-1).gather(1, tokens[:, dest + 1, None])
    return before[:, 0], (after - before)[:, 0]


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("at_once", [3, 128])
def test_equals_one_run_per_position(layer, at_once, monkeypatch):
    monkeypatch.setattr(polyhead.model.streams, "QUERIES_AT_ONCE", at_once)
    monkeypatch.setattr(polyhead.ablation.real_text, "POSITIONS_AT_ONCE", 2 * at_once)
    model, tokens = toy(), draw_tokens(3, 11)
    before, delta = single_position_effects(model, tokens, layer, 2)
    assert before.shape == delta.shape == (3, 9)
    for dest in range(1, 10):
        slow_before, slow_delta = slow_effect(model, tokens, layer, 2, dest)
        torch.testing.assert_close(before[:, dest - 1], slow_before, atol=1e-5, rtol=0)
        torch.testing.assert_close(delta[:, dest - 1], slow_delta, atol=1e-5, rtol=0)
    assert delta.abs().max() > 1e-3


def test_rows_do_not_depend_on_how_many_are_run_at_once(monkeypatch):
    model, prompts = toy(), draw_tokens(5, 8).numpy()
    done = []
    large = effect_rows(model, prompts, 1, 0, done.append)
    monkeypatch.setattr(polyhead.ablation.real_text, "TOKENS_AT_ONCE", 20)
    small = effect_rows(model, prompts, 1, 0, done.append)
    pd.testing.assert_frame_equal(small, large, atol=1e-6)
    assert done == [5, 2, 4, 5]
    assert small["position"].tolist() == [1, 2, 3, 4, 5, 6] * 5
    expected = slow_effect(model, torch.from_numpy(prompts[3:4]), 1, 0, 4)[1].item()
    assert small.query("prompt == 3 and position == 4")["delta_logprob"].item() == pytest.approx(
        expected, abs=1e-5
    )


def clusters(prompts):
    return Clusterings(prompts_as_clusters(prompts), None)


def test_effects_by_label_by_hand():
    effects = pd.DataFrame(
        {"prompt": [0, 0, 1, 1], "position": [1, 2, 1, 2], "delta_logprob": [-1.0, 0.2, -0.4, 0.0]}
    )
    labels = effects[["prompt", "position"]].assign(
        token=9, post=pd.Categorical(["previous", "unknown", "previous", "previous"])
    )
    table = effects_by_label(effects, labels, ["post"], clusters(2), 200, 0).set_index("label")
    assert table.index.tolist() == ["all", "previous", "unknown"]
    assert table["rows"].tolist() == [4, 3, 1]
    assert table["documents"].tolist() == [2, 2, 1]
    np.testing.assert_allclose(table["mean"], [-0.3, -1.4 / 3, 0.2])
    np.testing.assert_allclose(table["of_total"], [1, 1.4 / 1.2, -0.2 / 1.2])
    np.testing.assert_allclose(table["harmed"], [0.5, 2 / 3, 0])
    assert table[["low", "high"]].isna().all(axis=None)  # two documents say nothing


def test_whole_documents_are_drawn():
    """Twenty documents of ten equal rows: the interval is that of twenty numbers."""
    document = np.repeat(np.arange(20), 10)
    values = np.random.default_rng(0).normal(size=20)
    effects = pd.DataFrame({"prompt": document // 4, "position": np.tile(np.arange(40), 5)})
    effects["delta_logprob"] = values[document]
    labels = effects[["prompt", "position"]].assign(post="previous")
    begins = np.arange(20) // 4 * STRIDE + np.arange(20) % 4 * 10
    both = Clusterings(Clustering(begins, np.arange(20)), Clustering(begins, np.arange(20) // 2))
    table = effects_by_label(effects, labels, ["post"], both, 4000, 0).set_index("label")
    half = 1.96 * values.std() / 20**0.5
    wanted = values.mean() - half, values.mean() + half
    np.testing.assert_allclose(table.loc["all", ["low", "high"]].astype(float), wanted, atol=0.05)
    assert table.loc["all", ["package_low", "package_high"]].isna().all()  # ten packages say nothing


def test_prompts_too_short_to_have_a_next_token_give_an_empty_table(tmp_path):
    effects = pd.DataFrame({"prompt": [], "position": [], "delta_logprob": []})
    labels = pd.DataFrame({"prompt": [0, 1], "position": [1, 1], "post": pd.Categorical(["previous"] * 2)})
    assert labels_until(in_memory(labels, 1), -1).empty
    table = effects_by_label(effects, labels, ["post", "extended"], clusters(2), 10, 0)
    assert table.empty


def test_rare_labels_are_one_line():
    prompt = np.repeat(np.arange(6), 2)
    effects = pd.DataFrame({"prompt": prompt, "position": [1, 2] * 6, "delta_logprob": np.arange(12.0)})
    labels = effects[["prompt", "position"]].assign(
        post=["previous", "rare", "previous", "scarce", *["previous", "previous"] * 3, "unknown", "previous"]
    )
    table = effects_by_label(effects, labels, ["post"], clusters(6), 20, 0).set_index("label")
    assert table["rows"].to_dict() == {"all": 12, "previous": 9, "other": 2, "unknown": 1}
    assert table.loc["other", "mean"] == 2.0


def test_a_row_without_a_label_is_refused():
    effects = pd.DataFrame({"prompt": [0], "position": [1], "delta_logprob": [0.0]})
    labels = pd.DataFrame({"prompt": [0], "position": [2], "post": pd.Categorical(["previous"])})
    with pytest.raises(ValueError, match="no label"):
        effects_by_label(effects, labels, ["post"], clusters(1), 10, 0)
