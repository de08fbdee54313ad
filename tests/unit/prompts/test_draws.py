"""Draws of sequences from row groups: uniform per sequence, and within what may be read."""

import numpy as np
import pytest

from polyhead.prompts.draws import RowGroup, cluster_points, draw_clustered, draw_exactly

SIZES = (10, 40, 10, 25, 7, 30, 18)


def groups(sizes=SIZES, bytes_of_sequence=100):
    firsts = np.cumsum((0, *sizes[:-1]))
    return tuple(
        RowGroup("part", i, n, int(first), n * bytes_of_sequence)
        for i, (n, first) in enumerate(zip(sizes, firsts, strict=True))
    )


@pytest.mark.parametrize("count", [1, 13, 60, 140])
@pytest.mark.parametrize("budget", [0, 4000, 10**9])
def test_the_right_number_of_different_sequences_is_drawn(count, budget):
    for sequences in (draw_exactly(groups(), count, 7), draw_clustered(groups(), count, budget, 7)):
        assert len(sequences) == count == len(set(sequences))
        assert sequences.min() >= 0
        assert sequences.max() < sum(SIZES)


@pytest.mark.parametrize("budget", [2000, 6000])
def test_every_sequence_is_equally_likely_however_few_row_groups_are_read(budget):
    seen = np.zeros(sum(SIZES))
    draws = 1000
    for seed in range(draws):
        seen[draw_clustered(groups(), 14, budget, seed)] += 1
    expected = 14 / sum(SIZES)
    error = np.abs(seen / draws - expected) / np.sqrt(expected * (1 - expected) / draws)
    assert error.max() < 4.5


def test_a_small_budget_reads_few_row_groups_and_a_large_one_many():
    many = groups((50,) * 200)
    read = np.bincount(draw_clustered(many, 400, budget=20 * 50 * 100, seed=1) // 50)
    assert np.sort(read)[-20:].tolist() == [20] * 20
    assert read.sum() == 400
    assert (np.bincount(draw_clustered(many, 400, budget=10**9, seed=1) // 50) > 0).sum() == 200


def test_small_row_groups_never_run_out_of_sequences():
    uneven = groups((1, 100, 1, 1, 100, 2))
    assert cluster_points(uneven, 100, 0) == 100
    for seed in range(50):
        assert len(set(draw_clustered(uneven, 100, 0, seed))) == 100


def test_the_seed_decides():
    one, same, other = (draw_clustered(groups(), 14, 4000, seed) for seed in (1, 1, 2))
    assert (one == same).all()
    assert not np.array_equal(one, other)
