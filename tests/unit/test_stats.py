"""Intervals over clusters: by hand, against simulated truth, and where there is too little to say."""

import numpy as np
import pytest

from polyhead.stats import (
    interval,
    joint_intervals,
    mean_intervals,
    ratio_intervals,
    ratio_table,
    resampled_ratios,
    share_interval,
)


def test_intervals_by_hand():
    same = np.full((5, 1), 0.25)
    np.testing.assert_allclose(mean_intervals(same, 50, 0), [[0.25], [0.25]])
    np.testing.assert_allclose(ratio_intervals(same * 2, same * 8, 50, 0), [[0.25], [0.25]], rtol=1e-6)
    # Wilson for 8 of 10, as published: 0.490 to 0.943
    np.testing.assert_allclose(share_interval(np.arange(10) < 8), [0.490, 0.943], atol=5e-4)
    assert share_interval(np.ones(50, bool))[0] < 0.95


def test_one_prompt_gives_no_interval_of_a_mean():
    assert np.isnan(mean_intervals(np.array([[0.54, 0.2]]), 50, 0)).all()
    assert np.isfinite(mean_intervals(np.array([[0.54], [0.5]]), 50, 0)).all()


def test_a_ratio_that_rests_on_one_prompt_has_no_interval():
    sums = np.array([[3.0, 2.0], [4.0, 0.0], [1.0, 0.0]])
    counts = np.array([[5.0, 3.0], [5.0, 0.0], [5.0, 0.0]])
    low, high = ratio_intervals(sums, counts, 200, 0)
    assert low[0] < 8 / 15 < high[0]
    assert np.isnan([low[1], high[1]]).all()


@pytest.mark.filterwarnings("error")
def test_a_column_without_values_has_no_interval_and_warns_of_nothing():
    sides = interval(np.array([[np.nan, np.nan], [1.0, np.nan]]))
    assert np.isnan(sides[:, 0]).all()
    assert sides[:, 1].tolist() == [1.0, 1.0]


def clusters(seed, count=60, columns=5, rows=10):
    rng = np.random.default_rng(seed)
    counts = np.full((count, columns), float(rows))
    return rng.normal(1.0, 1.0, (count, 1)) * rows + rng.normal(0, 3.0, (count, columns)), counts


def test_a_column_s_own_interval_is_that_of_its_ratio():
    sums, counts = clusters(0)
    table = ratio_table(sums, counts, np.full(5, 600), n_resamples=300, seed=3)
    low, high = ratio_intervals(sums, counts, 300, 3)
    np.testing.assert_allclose(table["mean"], sums.sum(0) / counts.sum(0))
    np.testing.assert_allclose(table[["low", "high"]], np.stack([low, high], 1))


def test_too_few_rows_or_clusters_get_no_interval_and_change_no_other():
    sums, counts = clusters(1)
    sums[19:, 1], counts[19:, 1] = 0, 0
    rows = np.array([600, 190, 99, 600, 600])
    table = ratio_table(sums, counts, rows, n_resamples=200, seed=0)
    assert table["low"].isna().tolist() == [False, True, True, False, False]
    assert table["joint_high"].isna().tolist() == [False, True, True, False, False]
    assert table["mean"].notna().all()
    alone = ratio_table(sums[:, [0, 3, 4]], counts[:, [0, 3, 4]], rows[[0, 3, 4]], 200, 0)
    np.testing.assert_allclose(table.dropna().to_numpy(), alone.to_numpy())


def test_joint_intervals_hold_all_columns_of_95_percent_of_the_draws():
    sums, counts = clusters(2, columns=8)
    sums += np.random.default_rng(9).normal(0, 8, sums.shape)
    draws = resampled_ratios(sums, counts, 2000, 1)
    means = sums.sum(0) / counts.sum(0)
    low, high = joint_intervals(means, draws)
    inside = ((draws >= low) & (draws <= high)).all(1).mean()
    assert inside == pytest.approx(0.95, abs=0.002)
    own = ratio_table(sums, counts, np.full(8, 600), 2000, 1)
    assert (own["joint_high"] - own["joint_low"] > own["high"] - own["low"]).all()


def test_a_column_that_never_varies_has_a_joint_interval_without_width():
    draws = np.stack([np.zeros(50), np.linspace(-1, 1, 50)], 1)
    low, high = joint_intervals(np.zeros(2), draws)
    assert low[0] == high[0] == 0
    assert low[1] < 0 < high[1]


def test_intervals_of_clusters_cover_the_truth_where_those_of_rows_would_not():
    covered, width = 0, []
    for seed in range(60):
        sums, counts = clusters(seed, count=40, columns=1)
        low, high = ratio_intervals(sums, counts, 200, seed)
        covered += bool(low[0] <= 1.0 <= high[0])
        width.append(high[0] - low[0])
    assert covered >= 50
    assert np.mean(width) > 4 * 1.0 / np.sqrt(40 * 10)
