"""Shares against pandas, intervals against a bootstrap written as a loop."""

import numpy as np
import pandas as pd
import pytest

from polyhead.attention import distribution as module
from polyhead.attention.distribution import (
    ALL,
    COLUMNS,
    distribution,
    distribution_by_source_type,
    share_intervals,
    shown_tokens,
)
from polyhead.attention.labelled_rows import in_memory
from polyhead.prompts.clusters import STRIDE, Clustering, Clusterings
from polyhead.stats import BLOCK, LEAST_ROWS, ClusterWeights, cluster_weights

NAMES = [f"t{i}" for i in range(6)]
PROMPTS = Clusterings(Clustering(np.arange(100, 130) * STRIDE, np.arange(30)), None)
"""Every prompt a cluster of its own."""


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
            "position": np.tile(np.arange(1, 41), 30),
            "token": token,
            "post": pd.Categorical(post, ["inactive", "previous", "previous+induction", "unknown"]),
            "extended": pd.Categorical(np.where(token == 1, "bos", post)),
        }
    )


@pytest.fixture(scope="module")
def table(labels):
    return distribution(
        in_memory(labels, 97), NAMES, ["post", "extended"], 30, PROMPTS, n_resamples=200, seed=0
    )


@pytest.mark.parametrize("taxonomy", ["post", "extended"])
def test_counts_and_shares_against_pandas(labels, table, taxonomy):
    part = table[table["taxonomy"] == taxonomy].set_index(["token_label", "label"])
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
    sure = table.groupby(["taxonomy", "token_label"])["rows"].transform("sum") >= LEAST_ROWS
    inside = (table["low"] <= table["share"]) & (table["share"] <= table["high"])
    assert inside[sure].all()
    assert table.loc[~sure, ["low", "high"]].isna().all(axis=None)
    assert 0 < (~sure).sum() < len(table)


def slow_interval(labels, taxonomy, label, weights):
    """Draw clusters with replacement, put their rows together, take the share; once per draw."""
    groups = [group for _, group in labels.groupby("prompt")]
    shares = []
    for draw in weights:
        rows = pd.concat(
            [group for group, times in zip(groups, draw, strict=True) for _ in range(int(times))]
        )
        shares.append((rows[taxonomy] == label).mean())
    return np.percentile(shares, [2.5, 97.5])


@pytest.mark.parametrize("label", ["previous", "unknown"])
def test_intervals_against_resampled_frames(labels, label):
    chunks = in_memory(labels, 97)
    table = distribution(chunks, NAMES, ["post"], 10**6, PROMPTS, n_resamples=40, seed=7).set_index("label")
    wanted = slow_interval(labels, "post", label, cluster_weights(30, 40, seed=7))
    np.testing.assert_allclose(table.loc[label, ["low", "high"]].astype(float), wanted, atol=1e-6)


def test_documents_that_span_prompts_are_drawn_whole(labels):
    """Documents begin within prompts and go on in others; a slow bootstrap draws them with all their rows."""
    rng = np.random.default_rng(8)
    document = rng.integers(0, 25, (30, 2))
    codes = np.unique(document, return_inverse=True)[1].reshape(30, 2)
    begins = np.stack([np.arange(100, 130) * STRIDE, np.arange(100, 130) * STRIDE + 20], 1)
    documents = Clustering(begins.ravel(), codes.ravel())
    own = codes[labels["prompt"] - 100, (labels["position"] >= 20).astype(int)]
    table = distribution(
        in_memory(labels, 97),
        NAMES,
        ["post"],
        10**6,
        Clusterings(documents, documents),
        n_resamples=40,
        seed=7,
    ).set_index("label")
    weights = cluster_weights(documents.count, 40, seed=7)
    wanted = slow_interval(labels.assign(prompt=own), "post", "previous", weights)
    for sides in (["low", "high"], ["package_low", "package_high"]):
        np.testing.assert_allclose(table.loc["previous", sides].astype(float), wanted, atol=1e-6)
    by_prompt = distribution(in_memory(labels, 97), NAMES, ["post"], 10**6, PROMPTS, n_resamples=40, seed=7)
    assert by_prompt["package_low"].isna().all()


def test_rows_of_few_documents_have_no_interval(labels):
    """Token 5 stands in 19 prompts, token 4 in 20 others: the last is as few as an interval takes."""
    place = labels["prompt"] - 100
    token = np.where((place < 19) & (labels["position"] > 20), 5, np.where(labels["position"] < 5, 4, 0))
    labels = labels.assign(token=np.where((place >= 20) & (token == 4), 0, token))
    table = distribution(in_memory(labels, 97), NAMES, ["post"], 30, PROMPTS, n_resamples=50, seed=0)
    assert (labels["token"] == 4).sum() < LEAST_ROWS < (labels["token"] == 5).sum()
    without = table["low"].isna() & table["high"].isna()
    assert set(table["token_label"][without]) == {NAMES[4], NAMES[5]}  # too few rows; too few documents
    assert set(table["token_label"][~without]) == {ALL, NAMES[0]}


def test_whole_prompts_are_drawn():
    """Prompts of one kind of row each: the interval is that of 30 coins, not of 3000 rows."""
    counts = np.zeros((30, 2), np.float32)
    counts[:15, 0] = counts[15:, 1] = 100
    low, high = share_intervals((cluster_weights(30, 4000, seed=1) @ counts).T, np.zeros(2, int))
    half_width = 1.96 * (0.25 / 30) ** 0.5
    np.testing.assert_allclose([low[0], high[0]], [0.5 - half_width, 0.5 + half_width], atol=0.025)


def test_draws_without_a_single_row_are_left_out():
    counts = np.array([[2.0, 2.0], [0.0, 0.0]], np.float32)
    weights = np.array([[2.0, 0.0], [0.0, 2.0]], np.float32)
    low, high = share_intervals((weights @ counts).T, np.zeros(2, int))
    assert [low.tolist(), high.tolist()] == [[0.5, 0.5], [0.5, 0.5]]


def test_the_same_seed_gives_the_same_weights():
    np.testing.assert_array_equal(cluster_weights(9, 5, 3), cluster_weights(9, 5, 3))
    assert (cluster_weights(9, 5, 3).sum(1) == 9).all()
    assert (cluster_weights(9, 5, 3) != cluster_weights(9, 5, 4)).any()


def test_weights_by_blocks_are_draws_with_replacement():
    """Over several blocks: every draw has as many prompts as there are, each once on average, variance 1."""
    prompts = 2 * BLOCK + 76
    weights = cluster_weights(prompts, 400, seed=5)
    assert (weights.sum(1) == prompts).all()
    np.testing.assert_allclose(weights.mean(), 1)
    np.testing.assert_allclose(weights.var(0).mean(), 1 - 1 / prompts, atol=0.02)
    sides = weights[:, :BLOCK].sum(1), weights[:, BLOCK : 2 * BLOCK].sum(1)
    share = BLOCK / prompts
    assert np.var(sides[0]) == pytest.approx(prompts * share * (1 - share), rel=0.25)
    assert np.corrcoef(*sides)[0, 1] == pytest.approx(-share / (1 - share), abs=0.15)


def test_a_block_is_the_same_whatever_was_asked_before():
    one, other = ClusterWeights(2 * BLOCK, 5, 3), ClusterWeights(2 * BLOCK, 5, 3)
    one.block(0)
    np.testing.assert_array_equal(one.block(1), other.block(1))


@pytest.mark.parametrize("rows", [13, 1200])
def test_neither_chunks_nor_passes_change_a_number(labels, table, monkeypatch, rows):
    monkeypatch.setattr(module, "LARGEST_PASS", 5)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 100)
    again = distribution(
        in_memory(labels, rows), NAMES, ["post", "extended"], 30, PROMPTS, n_resamples=200, seed=0
    )
    pd.testing.assert_frame_equal(again, table)


def test_shown_tokens_are_named_frequent_and_unlike():
    shares = {ALL: 0.5, "a": 0.5, "b": 0.55, "c": 0.9, "d": 0.0, "e": 0.6}
    lines = [
        {"taxonomy": "post", "token_label": token, "label": behaviour, "share": value}
        for token, share in shares.items()
        for behaviour, value in (("previous", share), ("unknown", 1 - share))
        if value
    ]
    shown = shown_tokens(pd.DataFrame(lines), ["e", "absent"], frequent=2, unlike=2, taxonomy="post")
    assert shown == [ALL, "e", "a", "b", "d", "c"]


def test_by_source_type_against_pandas(labels):
    source_types = pd.Series(np.where(np.arange(100, 130) < 110, "code", "prose"), index=range(100, 130))
    table = distribution_by_source_type(
        in_memory(labels, 97), source_types, ["post"], PROMPTS, n_resamples=50, seed=0
    )
    assert list(table["source_type"].drop_duplicates()) == [ALL, "prose", "code"]  # by falling frequency
    counted = labels.groupby([labels["prompt"].map(source_types), "post"], observed=True).size()
    found = table[table["source_type"] != ALL].set_index(["source_type", "label"])["rows"]
    assert found.to_dict() == counted[counted > 0].to_dict()
    assert table.groupby("source_type")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    wide = table["source_type"] != "code"  # ten prompts: too few for an interval
    assert ((table["low"] <= table["share"]) & (table["share"] <= table["high"])).eq(wide).all()
