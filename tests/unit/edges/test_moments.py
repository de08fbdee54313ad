"""Where a head matters most: by hand, and of stored rows."""

import numpy as np
import pandas as pd
import pytest

from polyhead.attention.rows import tables_of_heads, write_tables
from polyhead.edges.classes import CLASSES, FIRST
from polyhead.edges.moments import COLUMNS, dominated_rows, moments
from polyhead.edges.survey import RealText, survey
from polyhead.model.head import Head
from polyhead.model.opening import open_native
from polyhead.prompts.clusters import prompts_as_clusters

PROMPTS = np.array([[0, 1, 2, 1, 2, 3], [0, 1, 2, 1, 2, 1]], np.int32)
NAMES = ["BOS", "a", "b", "NA"]


def effects(lines):
    columns = ["prompt", "position", "logprob", "delta_logprob", "first"]
    table = pd.DataFrame(lines, columns=columns)
    return table.assign(logprob=np.log(table["logprob"]), delta_logprob=np.log(table["delta_logprob"]))


def rows(lines):
    return pd.DataFrame(lines, columns=["prompt", "position", "top_source", "edges"])


def test_triples_by_hand():
    """Of the clean probability (third column) a part is left (fourth); two rows do not count."""
    measured = [(0, 2, 0.8, 0.5, True), (0, 3, 0.8, 0.25, True), (0, 4, 0.5, 0.75, True)]
    measured += [(1, 2, 0.8, 0.76, True), (1, 3, 0.4, 0.5, True), (1, 4, 0.9, 0.1, False)]
    stored = [(0, 2, 1, "previous"), (0, 3, 2, "induction"), (0, 4, 3, "none")]
    stored += [(1, 2, 1, "previous"), (1, 3, 2, "induction"), (1, 4, 1, "previous")]
    table = moments(effects(measured), rows(stored), PROMPTS, NAMES)
    assert table.columns.tolist() == COLUMNS
    expected = [
        ("previous", "b", "a", "a", 1, 0.4, True, 0, 2),
        ("induction", "a", "b", "b", 2, 0.4, True, 0, 3),
        ("none", "b", "a", "NA", 1, 0.125, False, 0, 4),
    ]
    pd.testing.assert_frame_equal(table, pd.DataFrame(expected, columns=COLUMNS), check_dtype=False)


def test_of_equally_frequent_triples_the_one_that_loses_more_comes_first_and_none_may_be_left():
    measured = effects([(0, 2, 0.8, 0.5, True), (0, 3, 0.8, 0.25, True)])
    table = moments(measured, rows([(0, 2, 1, "previous"), (0, 3, 2, "previous")]), PROMPTS, NAMES)
    assert table["destination"].tolist() == ["a", "b"]
    assert table["drop"].tolist() == pytest.approx([0.6, 0.4])
    assert moments(effects([(0, 2, 0.8, 1.0, True)]), rows([(0, 2, 1, "other")]), PROMPTS, NAMES).empty


def test_stored_rows_say_what_dominates_as_the_survey_does(tmp_path, model_dir, vocabulary, prompts):
    model, head, numbers = open_native(model_dir), Head(1, 2), np.arange(len(prompts))
    for place in (0, 3):
        some = slice(place, place + 3)
        path = tmp_path / f"{place}.parquet"
        write_tables([path], tables_of_heads(model, vocabulary, [head], numbers[some], prompts[some], 4))
    found = dominated_rows([tmp_path / "0.parquet", tmp_path / "3.parquet"], 5)
    assert set(found["prompt"]) == {0, 1, 2, 3, 4}
    assert found["position"].min() == FIRST
    text = RealText(prompts, vocabulary, 4, prompts_as_clusters(len(prompts)).dense(*prompts.shape))
    surveyed = survey(model, text.contexts(), [head])
    inner = found[found["position"] < prompts.shape[1] - 1]
    codes = surveyed.dominating[0][inner["prompt"], inner["position"]]
    assert inner["edges"].tolist() == np.array([*CLASSES, "none"])[codes].tolist()
    assert len(set(codes)) > 2
