"""Other thresholds and windows from stored rows, against running the model's rows again."""

import numpy as np
import pytest

from polyhead.attention.behaviours import BEHAVIOURS
from polyhead.attention.labels import TAXONOMIES, read_atoms
from polyhead.attention.rows import shard_tables, tables_of_heads, write_tables
from polyhead.attention.sensitivity import post_masses, sensitivity
from polyhead.model.opening import open_model

HEAD = (1, 2)


@pytest.fixture(scope="module")
def run(model_dir, vocabulary, prompts):
    """A function from the window to the table of rows, each time with the model."""
    model, _ = open_model(model_dir)
    return lambda window: shard_tables(model, vocabulary, [HEAD], np.arange(6), prompts, window)[0]


@pytest.fixture(scope="module")
def stored(tmp_path_factory, model_dir, vocabulary, prompts):
    """Two shards on disk, written with window 4."""
    folder = tmp_path_factory.mktemp("rows")
    model, _ = open_model(model_dir)
    for shard, part in (("a", slice(0, 4)), ("b", slice(4, 6))):
        numbers = np.arange(6)[part]
        write_tables(
            [folder / f"{shard}.parquet"],
            tables_of_heads(model, vocabulary, [HEAD], numbers, prompts[part], 4),
        )
    return [folder / "a.parquet", folder / "b.parquet"]


@pytest.mark.parametrize("window", range(1, 9))
def test_masses_at_another_window(run, window):
    stored = run(4)
    found = post_masses(stored, read_atoms(stored), window)
    wanted = read_atoms(run(window)).union_mass([("bos", "eos"), ("previous",), ("previous", "induction")])
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    assert list(BEHAVIOURS)[2:4] == ["previous", "induction"]


@pytest.mark.parametrize("window", [1, 4, 7])
@pytest.mark.parametrize("threshold", [0.8, 0.9, 0.95])
def test_post_shares(stored, run, window, threshold):
    table = sensitivity(stored, 4, ["post"])
    part = table[(table["previous_window"] == window) & (table["threshold"] == threshold)]
    wanted = TAXONOMIES["post"](read_atoms(run(window)), threshold).value_counts()
    assert part.set_index("label")["rows"].to_dict() == wanted[wanted > 0].to_dict()
    assert part["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize("threshold", [0.8, 0.9, 0.95])
def test_extended_shares_at_the_study_s_window(stored, run, threshold):
    table = sensitivity(stored, 4, ["post", "extended"])
    table = table[(table["taxonomy"] == "extended") & (table["threshold"] == threshold)]
    assert set(table["previous_window"]) == {4}
    wanted = TAXONOMIES["extended"](read_atoms(run(4)), threshold).value_counts()
    assert table.set_index("label")["rows"].to_dict() == wanted[wanted > 0].to_dict()


def test_a_taxonomy_that_is_not_asked_for_has_no_lines(stored):
    assert set(sensitivity(stored, 4, ["extended"])["taxonomy"]) == {"extended"}
