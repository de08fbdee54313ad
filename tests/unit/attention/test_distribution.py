"""Shares against pandas, intervals against a bootstrap written as a loop."""

import numpy as np
import pandas as pd
import pytest

from polyhead.attention.distribution import (
    ALL,
    COLUMNS,
    distribution,
    draw_documents,
    drawn_shares,
    figure_tokens,
    label_counts,
    shown_tokens,
)
from polyhead.prompts.clusters import STRIDE, Clustering
from polyhead.stats import LEAST_ROWS, cluster_weights

NAMES = [f"t{i}" for i in range(6)]
PROMPTS = Clustering(np.arange(100, 130) * STRIDE, np.arange(30))
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
    return distribution(labels, NAMES, ["post", "extended"], 30, draw_documents(PROMPTS, 200, 0))


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
    inside = (table["share_low"] <= table["share"]) & (table["share"] <= table["share_high"])
    assert inside[sure].all()
    assert table.loc[~sure, ["share_low", "share_high"]].isna().all(axis=None)
    assert 0 < (~sure).sum() < len(table)


def slow_interval(labels, label, cluster, weights):
    """Draw clusters with replacement, put their rows together, take the share; once per draw."""
    groups = [group for _, group in labels.groupby(cluster)]
    shares = []
    for draw in weights:
        rows = pd.concat(
            [group for group, times in zip(groups, draw, strict=True) for _ in range(int(times))]
        )
        shares.append((rows["post"] == label).mean())
    return np.percentile(shares, [2.5, 97.5])


@pytest.mark.parametrize("label", ["previous", "unknown"])
def test_intervals_against_resampled_frames(labels, label):
    """Documents begin within prompts and go on in others; a slow bootstrap draws them with all their rows."""
    codes = np.unique(np.random.default_rng(8).integers(0, 25, (30, 2)), return_inverse=True)[1].reshape(
        30, 2
    )
    begins = np.stack([np.arange(100, 130) * STRIDE, np.arange(100, 130) * STRIDE + 20], 1)
    documents = Clustering(begins.ravel(), codes.ravel())
    own = codes[labels["prompt"] - 100, (labels["position"] >= 20).astype(int)]
    for clusters, cluster in ((PROMPTS, labels["prompt"] - 100), (documents, own)):
        table = distribution(labels, NAMES, ["post"], 10**6, draw_documents(clusters, 40, 7))
        wanted = slow_interval(labels, label, cluster, cluster_weights(clusters.count, 40, seed=7))
        found = table.set_index("label").loc[label, ["share_low", "share_high"]]
        np.testing.assert_allclose(found.astype(float), wanted, atol=1e-6)


def test_rows_of_few_documents_have_no_interval(labels):
    """Token 5 stands in 19 prompts, token 4 in 20 others: the last is as few as an interval takes."""
    place = labels["prompt"] - 100
    token = np.where((place < 19) & (labels["position"] > 20), 5, np.where(labels["position"] < 5, 4, 0))
    labels = labels.assign(token=np.where((place >= 20) & (token == 4), 0, token))
    table = distribution(labels, NAMES, ["post"], 30, draw_documents(PROMPTS, 50, 0))
    assert (labels["token"] == 4).sum() < LEAST_ROWS < (labels["token"] == 5).sum()
    without = table["share_low"].isna() & table["share_high"].isna()
    assert set(table["token_label"][without]) == {NAMES[4], NAMES[5]}  # too few rows; too few documents
    assert set(table["token_label"][~without]) == {ALL, NAMES[0]}


def test_whole_clusters_are_drawn():
    """Clusters of one kind of row each: the interval is that of 30 coins, not of 3000 rows."""
    cluster = np.repeat(np.arange(30), 100)
    labels = pd.Categorical.from_codes(cluster // 15, ["a", "b"])
    drawn = drawn_shares(label_counts(labels, cluster, 30), cluster_weights(30, 4000, seed=1).T)
    half_width = 1.96 * (0.25 / 30) ** 0.5
    found = np.percentile(drawn[0], [2.5, 97.5])
    np.testing.assert_allclose(found, [0.5 - half_width, 0.5 + half_width], atol=0.025)


def test_a_draw_without_a_single_row_has_no_share():
    labels = pd.Categorical.from_codes([0, 0, 1, 1], ["a", "b"])
    drawn = drawn_shares(label_counts(labels, np.zeros(4, int), 2), np.array([[2.0, 0.0], [0.0, 2.0]]))
    np.testing.assert_array_equal(drawn, [[0.5, np.nan], [0.5, np.nan]])


SHARES = {ALL: 0.5, "a": 0.5, "b": 0.55, "c": 0.9, "d": 0.0, "e": 0.6}
BY_TOKEN = pd.DataFrame(
    {"taxonomy": "post", "token_label": token, "label": label, "share": share}
    for token, previous in SHARES.items()
    for label, share in (("previous", previous), ("unknown", 1 - previous))
    if share
)


def test_shown_tokens_are_named_frequent_and_unlike():
    shares = BY_TOKEN.pivot(index="token_label", columns="label", values="share").fillna(0).loc[[*SHARES]]
    shown = shown_tokens(shares, ["e", "absent"], frequent=2, unlike=2)
    assert shown == [ALL, "e", "a", "b", "d", "c"]


def test_tokens_chosen_on_another_sample_are_shown_if_the_table_has_them():
    wanted = {"named": ["c", "absent"], "frequent": 1, "unlike": 0, "minimum_rows": 7}
    found = figure_tokens(BY_TOKEN, [ALL, "b", "rare"], "post", **wanted)
    assert found == {"shown": [ALL, "b"], "absent": ["c", "absent"], "minimum_rows": 7}
    assert figure_tokens(BY_TOKEN, None, "post", **wanted)["shown"] == [ALL, "c", "a"]
