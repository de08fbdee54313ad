"""Contrasts, by hand, and against a bootstrap written as a loop."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from toys import worded

from polyhead.attention.contrasts import ALIKE, COLUMNS, contrasts, distance, indent_preference, second_labels
from polyhead.attention.distribution import distribution, draw_documents
from polyhead.attention.rows import tables_of_heads, write_tables
from polyhead.model.opening import open_model
from polyhead.prompts.clusters import STRIDE, Clustering, prompts_as_clusters

NAMES = ["x", *ALIKE]
PROMPTS = Clustering(np.arange(30) * STRIDE, np.arange(30))
DRAWS = draw_documents(PROMPTS, 200, 3)
WEIGHTS = DRAWS.weights


def share(token, label, value):
    sides = {"share": value, "share_low": value - 0.1, "share_high": value + 0.1}
    return {"taxonomy": "post", "token_label": token, "label": label, **sides}


def test_the_second_most_frequent_label_at_each_shown_token():
    table = pd.DataFrame(
        [share("a", "previous", 0.2), share("a", "unknown", 0.7), share("a", "inactive", 0.1)]
    )
    table = pd.concat([table, pd.DataFrame([share("b", "unknown", 1.0), share("c", "unknown", 1.0)])])
    table = pd.concat([table, table.assign(taxonomy="extended", share=0.5)])
    assert second_labels(table, ["a", "b", "absent"]) == [
        ("second label at a", 0.2, pytest.approx(0.1), pytest.approx(0.3)),
        ("second label at b", 0.0, 0.0, 0.0),
    ]


@pytest.fixture
def labels():
    """Ten rows of each token in each of thirty prompts."""
    rng = np.random.default_rng(0)
    prompt, position = (grid.ravel() for grid in np.mgrid[:30, 1:31])
    token = np.tile(np.repeat([0, 1, 2], 10), 30)
    odds = np.array([0.5, 0.3, 0.6])[token]
    post = pd.Categorical.from_codes((rng.random(900) < odds).astype(int), ["unknown", "previous"])
    return pd.DataFrame({"prompt": prompt, "position": position, "token": token, "post": post})


def test_the_distance_of_two_tokens_against_a_loop(labels):
    def apart(rows):
        shares = [(rows["post"][rows["token"] == token] == "previous").mean() for token in (1, 2)]
        return abs(shares[0] - shares[1])  # of two labels, the total variation distance

    (found,) = distance(labels, NAMES, DRAWS)
    prompts = [rows for _, rows in labels.groupby("prompt")]
    drawn = [
        apart(pd.concat([rows for rows, times in zip(prompts, draw, strict=True) for _ in range(int(times))]))
        for draw in WEIGHTS.T
    ]
    assert found[:2] == ("⏎[·×3] and ⏎[·×7]", pytest.approx(apart(labels)))
    assert found[2:] == pytest.approx(np.percentile(drawn, [2.5, 97.5]))


def test_no_distance_without_both_tokens_and_no_interval_of_few_rows(labels):
    assert distance(labels, ["x", "y", ALIKE[0]], DRAWS) == []
    assert distance(labels[labels["token"] != 2], NAMES, DRAWS) == []
    few = labels[(labels["token"] != 2) | (labels["position"] == 30)]
    ((_, value, *sides),) = distance(few, NAMES, DRAWS)
    assert value > 0
    assert np.isnan(sides).all()


def rows_table(prompt, position, bigger, same, smaller):
    """Rows with their mass on bigger, same and smaller indents; the first alone is `previous`, too."""
    masses = {"atom_0": 1 - bigger - same - smaller, "atom_3": bigger, "atom_4": same, "atom_8": smaller}
    table = pa.table({"prompt": prompt, "position": position, **masses})
    names = '["previous", "indent_bigger", "indent_same", "indent_smaller"]'
    return table.replace_schema_metadata({"behaviours": names})


def test_mass_on_bigger_indents_over_others_by_hand():
    """From two indentation tokens: 0.5 − 0.1 − 0.2 and 0 − 0.4 − 0.4; the third row is of another token."""
    indentation = np.zeros((30, 5), bool)
    indentation[0, 2] = indentation[7, 4] = True
    table = rows_table(
        np.array([0, 7, 7]), np.array([2, 4, 3]), *np.array([[0.5, 0, 1], [0.1, 0.4, 0], [0.2, 0.4, 0]])
    )
    ((name, value, *sides),) = indent_preference([table.slice(0, 1), table.slice(1)], indentation, DRAWS)
    assert name == "indent_bigger over others"
    assert value == pytest.approx((0.2 - 0.8) / 2)
    assert np.isnan(sides).all(), "two rows are too few"
    assert indent_preference([table], np.zeros((30, 5), bool), DRAWS) == []


def test_mass_on_bigger_indents_against_a_loop():
    rng = np.random.default_rng(4)
    prompt, position = (grid.ravel() for grid in np.mgrid[:30, 1:9])
    masses = rng.dirichlet(np.ones(4), 240)[:, :3].T
    indentation = rng.random((30, 9)) < 0.6
    kept = indentation[prompt, position]
    table = rows_table(prompt, position, *masses)
    ((_, value, *sides),) = indent_preference([table], indentation, DRAWS)
    differences = (masses[0] - masses[1] - masses[2])[kept]
    assert value == pytest.approx(differences.mean())
    times = WEIGHTS[prompt[kept]]
    assert sides == pytest.approx(np.percentile((differences @ times) / times.sum(0), [2.5, 97.5]))


def test_all_of_them_from_a_head_s_rows(model_dir, tmp_path, prompts):
    """A table with the lines that there are, from rows on disk."""
    model, vocabulary = open_model(model_dir)
    write_tables(
        [tmp_path / "a.parquet"], tables_of_heads(model, vocabulary, [(1, 0)], np.arange(6), prompts, 4)
    )
    prompt, position = (grid.ravel() for grid in np.mgrid[:6, 1:48])
    post = pd.Categorical(np.where(position % 3, "previous", "unknown"))
    labels = pd.DataFrame(
        {"prompt": prompt, "position": position, "token": prompts[:, 1:].ravel(), "post": post}
    )
    draws = draw_documents(prompts_as_clusters(6), 20, 0)
    table = distribution(labels, vocabulary.labels, ["post"], 5, draws)
    files = [tmp_path / "a.parquet"]
    found = contrasts(table, ["all"], labels, files, prompts, vocabulary, draws)
    assert list(found.columns) == COLUMNS
    assert found["contrast"].tolist() == [
        "second label at all",
        "⏎[·×3] and ⏎[·×7]",
        "indent_bigger over others",
    ]
    without = worded(["<s>", "</s>", "<pad>", *(f"w{i}" for i in range(400))])
    found = contrasts(table, [], labels, files, prompts, without, draws)
    assert found.empty, "no line breaks and no token of the two"
