"""Intervals over clusters: against simulated truth, and where there is too little to say."""

import numpy as np
import pytest

from polyhead.stats import (
    BLOCK,
    cluster_weights,
    interval,
    mean_intervals,
    ratio_table,
    resampled_ratios,
    share_interval,
)


def clusters(seed, count=60, columns=5, rows=10):
    """Sums and counts of rows that vary by cluster, and in it; the truth is 1."""
    rng = np.random.default_rng(seed)
    counts = np.full((count, columns), float(rows))
    return rng.normal(1.0, 1.0, (count, 1)) * rows + rng.normal(0, 3.0, (count, columns)), counts


def test_a_draw_takes_as_many_clusters_as_there_are_each_equally_often():
    weights = cluster_weights(BLOCK + 100, 2000, 0)
    assert (weights.sum(1) == BLOCK + 100).all()
    np.testing.assert_allclose(weights.mean(0), 1, atol=5 / np.sqrt(2000))
    np.testing.assert_allclose(weights.var(0).mean(), 1, atol=0.01)
    covariance = np.cov(weights[:, 0], weights[:, -1])[0, 1]
    assert abs(covariance) < 5 / np.sqrt(2000)


def test_one_prompt_gives_no_interval_of_a_mean():
    assert np.isnan(mean_intervals(np.array([[0.54, 0.2]]), 50, 0)).all()
    assert np.isfinite(mean_intervals(np.array([[0.54], [0.5]]), 50, 0)).all()


@pytest.mark.filterwarnings("error")
def test_a_column_without_values_has_no_interval_and_warns_of_nothing():
    sides = interval(np.array([[np.nan, np.nan], [1.0, np.nan]]))
    assert np.isnan(sides[:, 0]).all()
    assert sides[:, 1].tolist() == [1.0, 1.0]


def test_draws_without_a_count_of_a_column_are_left_out():
    sums, counts = np.array([[3.0, 2.0], [4.0, 0.0]]), np.array([[5.0, 4.0], [5.0, 0.0]])
    drawn = resampled_ratios(sums, counts, 200, 0)
    assert np.isnan(drawn[:, 1]).any()
    assert interval(drawn.T)[:, 1].tolist() == [0.5, 0.5]
    assert set(np.round(drawn[:, 0], 6)) == {0.6, 0.7, 0.8}


def test_too_few_rows_or_clusters_get_no_interval_and_change_no_other():
    sums, counts = clusters(1)
    sums[19:, 1], counts[19:, 1] = 0, 0
    counts[:, 2] = 1
    table = ratio_table("cost", sums, counts, n_resamples=200, seed=0)
    assert table.columns.tolist() == ["cost", "cost_low", "cost_high"]
    assert table["cost_low"].isna().tolist() == [False, True, True, False, False]
    assert table["cost"].notna().all()
    alone = ratio_table("cost", sums[:, [0, 3, 4]], counts[:, [0, 3, 4]], 200, 0)
    np.testing.assert_allclose(table.dropna().to_numpy(), alone.to_numpy())


def test_intervals_of_clusters_cover_the_truth_where_those_of_rows_would_not():
    covered, width = 0, []
    for seed in range(60):
        sums, counts = clusters(seed, count=40, columns=1)
        [(_, low, high)] = ratio_table("cost", sums, counts, 200, seed).to_numpy()
        covered += bool(low <= 1.0 <= high)
        width.append(high - low)
    assert covered >= 50
    assert np.mean(width) > 4 * 1.0 / np.sqrt(40 * 10)


def test_the_share_of_prompts_that_all_hit_has_wilson_s_interval():
    assert share_interval(np.ones(50, bool)) == pytest.approx((1 / (1 + 1.959964**2 / 50), 1.0))
