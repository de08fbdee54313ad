"""Heads ranked on one sample, and the two samples kept apart."""

import numpy as np
import pandas as pd
import pytest

from polyhead.ablation.selection import check_apart, ranking, selection_record
from polyhead.errors import PolyheadError

VERDICTS = pd.DataFrame(
    [
        ("0.0", "none", "", np.nan),
        ("0.1", "polysemantic", "previous+induction", 0.06),
        ("1.0", "polysemantic", "previous+duplicate", 0.20),
        ("1.1", "one behaviour", "induction", 2.0),
        ("2.0", "polysemantic", "previous+induction", 0.90),
        ("2.1", "undecided", "previous", 0.3),
    ],
    columns=["head", "verdict", "behaviours", "smallest_cost"],
)


def test_the_verdict_comes_first_then_a_layer_below_the_last_then_the_smallest_cost():
    ranked = ranking(VERDICTS)
    assert ranked["head"].tolist() == ["1.0", "0.1", "2.0", "2.1", "1.1", "0.0"]
    assert ranked["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert ranked["below_last_layer"].tolist() == [True, True, False, False, True, True]


def test_a_head_named_by_hand_is_recorded_with_its_rank():
    record = selection_record(ranking(VERDICTS), ["1.1"], True, {"prompts": 3})
    assert record["winner"] == "1.0"
    assert record["studied"] == [{"head": "1.1", "rank": 5, "of": 6}]
    assert record["chosen_by"] == "hand"
    assert record["considered"][-1]["smallest_cost"] is None


def test_without_a_head_the_first_of_the_ranking_is_studied():
    record = selection_record(ranking(VERDICTS), [], False, {})
    assert record["studied"] == [{"head": "1.0", "rank": 1, "of": 6}]


def sample(tokens, documents=None):
    table = pd.DataFrame({"tokens": [np.array(row) for row in tokens]})
    return table if documents is None else table.assign(documents=documents)


def test_documents_of_the_sample_are_counted_where_they_are_known():
    apart = sample([[0, 1], [0, 2]], [[4, 5], [5]]), sample([[0, 3]], [[6]])
    assert check_apart(*apart) == 2
    assert check_apart(sample([[0, 1], [0, 2]]), sample([[0, 3]])) == 2


def test_a_document_in_both_samples_is_refused():
    with pytest.raises(PolyheadError, match=r"1 documents are in .* document 5; choose another split"):
        check_apart(sample([[0, 1]], [[4, 5]]), sample([[0, 3]], [[5, 6]]))


def test_a_prompt_in_both_samples_is_refused():
    with pytest.raises(PolyheadError, match="1 prompts are in the selection sample"):
        check_apart(sample([[0, 1]], [[4]]), sample([[0, 1]], [[6]]))
