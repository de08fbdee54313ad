"""Shares against pandas, intervals against a bootstrap written as a loop."""

import numpy as np
import pandas as pd
import pytest

from polyhead import distribution as module
from polyhead.bootstrap import BLOCK, PromptWeights, prompt_weights
from polyhead.chunks import in_memory
from polyhead.distribution import (
    ALL,
    COLUMNS,
    distribution,
    distribution_by_kind,
    share_intervals,
    shown_tokens,
)

NAMES = [f"t{i}" for i in range(6)]


@pytest.fixture(scope="module")
def labels():
    rng = np.random.default_rng(2)
    prompt = np.repeat(np.arange(100, 130), 40)  # numbers need not start at 0
    token = rng.choice(6, 1200, p=[0.4, 0.3, 0.15, 0.1, 0.04, 0.01])
    odds = np.where(prompt % 2, 0.8, 0.3)
    post = np.where(rng.random(1200) < odds, "previous", np.where(token > 2, "unknown", "inactive"))
    return pd.DataFrame(
        {
            "prompt": prompt,
            "token": token,
            "post": pd.Categorical(post, ["inactive", "previous", "previous+induction", "unknown"]),
            "extended": pd.Categorical(np.where(token == 1, "bos", post)),
        }
    )


@pytest.fixture(scope="module")
def table(labels):
    return distribution(in_memory(labels, 97), NAMES, ["post", "extended"], minimum=30, draws=200, seed=0)


@pytest.mark.parametrize("taxonomy", ["post", "extended"])
def test_counts_and_shares_against_pandas(labels, table, taxonomy):
    part = table[table["taxonomy"] == taxonomy].set_index(["token_label", "behaviour"])
    for token in [None, 0, 1, 2, 3, 4]:
        rows = labels if token is None else labels[labels["token"] == token]
        wanted = rows[taxonomy].value_counts()
        found = part.loc[ALL if token is None else NAMES[token]]
        assert found["rows"].to_dict() == wanted[wanted > 0].to_dict()
        np.testing.assert_allclose(found["share"], found["rows"] / len(rows))
    assert NAMES[5] not in table["token_label"].to_numpy()  # under 30 rows


def test_layout(table):
    assert list(table.columns) == COLUMNS
    first = table["token_label"].drop_duplicates().tolist()
    assert first == [ALL, *NAMES[:5]]  # by falling frequency
    assert ((table["ci_low"] <= table["share"]) & (table["share"] <= table["ci_high"])).all()


def slow_interval(labels, taxonomy, behaviour, weights):
    """Draw prompts with replacement, put their rows together, take the share; once per draw."""
    groups = [group for _, group in labels.groupby("prompt")]
    shares = []
    for draw in weights:
        rows = pd.concat(
            [group for group, times in zip(groups, draw, strict=True) for _ in range(int(times))]
        )
        shares.append((rows[taxonomy] == behaviour).mean())
    return np.percentile(shares, [2.5, 97.5])


@pytest.mark.parametrize("behaviour", ["previous", "unknown"])
def test_intervals_against_resampled_frames(labels, behaviour):
    chunks = in_memory(labels, 97)
    table = distribution(chunks, NAMES, ["post"], minimum=10**6, draws=40, seed=7).set_index("behaviour")
    wanted = slow_interval(labels, "post", behaviour, prompt_weights(30, 40, seed=7))
    np.testing.assert_allclose(table.loc[behaviour, ["ci_low", "ci_high"]].astype(float), wanted, atol=1e-6)


def test_whole_prompts_are_drawn():
    """Prompts of one kind of row each: the interval is that of 30 coins, not of 3000 rows."""
    counts = np.zeros((30, 2), np.float32)
    counts[:15, 0] = counts[15:, 1] = 100
    low, high = share_intervals((prompt_weights(30, 4000, seed=1) @ counts).T)
    half_width = 1.96 * (0.25 / 30) ** 0.5
    np.testing.assert_allclose([low[0], high[0]], [0.5 - half_width, 0.5 + half_width], atol=0.025)


def test_draws_without_a_single_row_are_left_out():
    counts = np.array([[2.0, 2.0], [0.0, 0.0]], np.float32)
    weights = np.array([[2.0, 0.0], [0.0, 2.0]], np.float32)
    low, high = share_intervals((weights @ counts).T)
    assert [low.tolist(), high.tolist()] == [[0.5, 0.5], [0.5, 0.5]]


def test_the_same_seed_gives_the_same_weights():
    np.testing.assert_array_equal(prompt_weights(9, 5, 3), prompt_weights(9, 5, 3))
    assert (prompt_weights(9, 5, 3).sum(1) == 9).all()
    assert (prompt_weights(9, 5, 3) != prompt_weights(9, 5, 4)).any()


def test_weights_by_blocks_are_draws_with_replacement():
    """Over several blocks: every draw has as many prompts as there are, each once on average, variance 1."""
    prompts = 2 * BLOCK + 76
    weights = prompt_weights(prompts, 400, seed=5)
    assert (weights.sum(1) == prompts).all()
    np.testing.assert_allclose(weights.mean(), 1)
    np.testing.assert_allclose(weights.var(0).mean(), 1 - 1 / prompts, atol=0.02)
    sides = weights[:, :BLOCK].sum(1), weights[:, BLOCK : 2 * BLOCK].sum(1)
    share = BLOCK / prompts
    assert np.var(sides[0]) == pytest.approx(prompts * share * (1 - share), rel=0.25)
    assert np.corrcoef(*sides)[0, 1] == pytest.approx(-share / (1 - share), abs=0.15)


def test_a_block_is_the_same_whatever_was_asked_before():
    one, other = PromptWeights(2 * BLOCK, 5, 3), PromptWeights(2 * BLOCK, 5, 3)
    one.block(0)
    np.testing.assert_array_equal(one.block(1), other.block(1))


@pytest.mark.parametrize("rows", [13, 1200])
def test_neither_chunks_nor_passes_change_a_number(labels, table, monkeypatch, rows):
    monkeypatch.setattr(module, "LARGEST_PASS", 5)
    again = distribution(in_memory(labels, rows), NAMES, ["post", "extended"], minimum=30, draws=200, seed=0)
    pd.testing.assert_frame_equal(again, table)


def test_shown_tokens_are_named_frequent_and_unlike():
    shares = {ALL: 0.5, "a": 0.5, "b": 0.55, "c": 0.9, "d": 0.0, "e": 0.6}
    lines = [
        {"taxonomy": "post", "token_label": token, "behaviour": behaviour, "share": value}
        for token, share in shares.items()
        for behaviour, value in (("previous", share), ("unknown", 1 - share))
        if value
    ]
    shown = shown_tokens(pd.DataFrame(lines), ["e", "absent"], frequent=2, unlike=2, taxonomy="post")
    assert shown == [ALL, "e", "a", "b", "d", "c"]


def test_by_kind_against_pandas(labels):
    kinds = pd.Series(np.where(np.arange(100, 130) < 110, "code", "prose"), index=range(100, 130))
    table = distribution_by_kind(in_memory(labels, 97), kinds, ["post"], draws=50, seed=0)
    assert list(table["kind"].drop_duplicates()) == [ALL, "prose", "code"]  # by falling frequency
    counted = labels.groupby([labels["prompt"].map(kinds), "post"], observed=True).size()
    found = table[table["kind"] != ALL].set_index(["kind", "behaviour"])["rows"]
    assert found.to_dict() == counted[counted > 0].to_dict()
    assert table.groupby("kind")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    assert ((table["ci_low"] <= table["share"]) & (table["share"] <= table["ci_high"])).all()
