"""Profiles of tiny variants, the table of all of them, and the answer."""

from dataclasses import replace

import hand_built
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.collections import PathCollection
from toys import VOCABULARY, random_state, write_model

from polyhead.ablation.edge_profile import profile_heads
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS
from polyhead.errors import PolyheadError
from polyhead.files import write_csv, write_json, write_parquet
from polyhead.model.head import all_heads
from polyhead.style import save_svg, style
from polyhead.training import scarcity_profile
from polyhead.training.merged import FIELDS
from polyhead.training.scarcity import load_measures
from polyhead.training.scarcity_figure import TITLES, scarcity_figure
from polyhead.training.scarcity_profile import observed_statistics, profile_variant, redrawn
from polyhead.training.scarcity_table import (
    LOSSES,
    SIZES,
    Variant,
    compare,
    heads_table,
    read_variants,
    variants_table,
)

MEASURES = replace(load_measures("config/scarcity.yaml"), prompts=12, bootstrap=20, partitions=50)


@pytest.fixture(scope="module")
def glued():
    """The profile of a model whose head 1.0 does two things, and no other head does anything."""
    model = hand_built.model_with(hand_built.glued_head())
    text = hand_built.real_text(hand_built.names_and_brackets(60, 3))
    return profile_heads(model, all_heads(model.n_layers, model.n_heads), text, n_resamples=100, seed=0)


def test_with_every_document_drawn_once_a_profile_is_what_it_was(glued, monkeypatch):
    monkeypatch.setattr(scarcity_profile, "cluster_weights", lambda clusters, n, seed: np.ones((n, clusters)))
    (again,) = redrawn(glued.costs, glued.documents, 1, 0)
    pd.testing.assert_frame_equal(again[FIELDS], glued.costs[FIELDS], check_dtype=False, rtol=1e-5)


def test_a_document_drawn_twice_counts_twice(glued, monkeypatch):
    def first_alone(clusters, n, seed):
        return np.array([[clusters] + [0] * (clusters - 1)], float)

    monkeypatch.setattr(scarcity_profile, "cluster_weights", first_alone)
    (drawn,) = redrawn(glued.costs, glued.documents, 1, 0)
    line = drawn.index[(drawn["head"] == "1.0") & (drawn["edges"] == "induction")][0]
    rows, measured = glued.documents.rows[line, 0], glued.documents.measured[line, 0]
    assert drawn.loc[line, "rows"] == 60 * rows
    assert drawn.loc[line, "share"] == pytest.approx(rows / glued.documents.every[0])
    assert drawn.loc[line, "cost"] == pytest.approx(glued.documents.cost[line, 0] / measured)
    width = glued.costs.loc[line, "cost"] - glued.costs.loc[line, "low"]
    assert drawn.loc[line, "cost"] - drawn.loc[line, "low"] == pytest.approx(width)


def test_what_a_model_surely_does_has_no_wide_interval(glued):
    found = observed_statistics(glued.costs, glued.documents, 50, 0).set_index(["counting", "statistic"])
    assert found.loc[("surely", "behaviours"), ["value", "low", "high"]].tolist()[0] >= 2 / 4
    assert found.loc[("surely", "polysemantic")].tolist() == [0.25, 0.25, 0.25]
    assert (found["low"] <= found["value"]).all()
    assert (found["value"] <= found["high"]).all()


@pytest.fixture(scope="module")
def variants(tmp_path_factory, tokenizer_path):
    """Three random models of one width, with 1, 2 and 4 heads a layer, measured as the rule does it."""
    root = tmp_path_factory.mktemp("variants")
    tokens = np.random.default_rng(0).integers(3, 60, (12, 32)).astype(np.int32)
    tokens[:, 0] = 0
    lines = {"tokens": list(tokens), "source": [f"package{i % 3} 1.0 a.py" for i in range(12)]}
    documents = {"documents": [[i, i + 1] for i in range(12)], "starts": [[1, 20]] * 12}
    write_parquet(root / "prompts.parquet", pa.table(lines | documents))
    found = {}
    for heads in (1, 2, 4):
        sizes = {"n_layers": 2, "n_heads": heads, "d_model": 16, "d_head": 16 // heads, "n_ctx": 32}
        sizes |= {"d_vocab": VOCABULARY}
        folder = root / f"heads-{heads}"
        (folder / "model").mkdir(parents=True)
        write_model(folder / "model", random_state(**sizes, seed=heads), sizes, tokenizer_path)
        record = {"seed": 0, "tokens": 640, "seconds": 1.5, "resumptions": 0, "sha256": {"weights": "ab"}}
        write_json(folder / "model/training.json", record)
        profile = profile_variant(folder / "model", root / "prompts.parquet", MEASURES)
        write_csv(folder / "edge_profile.csv", profile.profile.costs)
        write_csv(folder / "heads.csv", profile.heads)
        write_csv(folder / "observed.csv", profile.observed)
        write_json(folder / "facts.json", profile.facts)
        found[folder.name] = folder
    return read_variants(dict(reversed(found.items())))


def test_the_table_has_a_line_for_every_variant(variants):
    table = compare(variants, MEASURES).table.set_index("variant")
    assert table["heads"].tolist() == [1, 2, 4]
    assert (table["heads"] * table["d_head"] == 16).all()
    assert table["parameters"].nunique() == 1
    assert (table["tokens"] == 640).all()
    assert (table["held_out_loss"] > 3).all()
    verdicts = table[["none", "one_behaviour", "polysemantic", "undecided"]].sum(axis=1)
    assert (verdicts == 2 * table["heads"]).all()
    for name in ("named_post", "named_extended", "polysemantic_share"):
        assert table[name].between(0, 1).all()
    assert (table["low"] <= table["high"]).all()
    assert table["answer"].isna().tolist() == [False, False, True]


def test_the_heads_of_all_variants_stand_in_one_table(variants):
    table = heads_table(variants)
    assert table.groupby("variant").size().tolist() == [2, 4, 8]
    assert list(table.columns[:5]) == ["variant", "heads", "seed", "head", "verdict"]
    assert table["named_post"].between(0, 1).all()
    assert (table["named_post"] <= table["named_extended"] + 1e-9).all()


def test_probes_have_the_columns_of_the_variants(variants):
    probes = variants_table({"adamw": variants["heads-2"]})
    assert list(probes.columns) == list(compare(variants, MEASURES).table.columns[: len(probes.columns)])


def test_numbers_of_heads_that_do_not_divide_the_largest_are_refused(variants):
    three = replace(variants["heads-2"], facts=variants["heads-2"].facts | {"heads": 3})
    with pytest.raises(PolyheadError, match="each must divide the largest"):
        compare({"three": three, "four": variants["heads-4"]}, MEASURES)


def made_up(heads, done, seed=0):
    """A variant of two layers: the numbers of behaviours that its heads surely do are given, head by head."""
    lines = []
    for place, number in enumerate(done * 2):
        for k, name in enumerate(CLASS_BEHAVIOURS):
            cost = {"cost": 0.2, "low": 0.15, "high": 0.25, "bos": 0.2} if k < number else {}
            share = {"share": 0.2 if k < number else 0.0, "rows": 1000, "documents": 50}
            lines.append({"head": f"{place // heads}.{place % heads}", "edges": name} | share | cost)
    value = float(np.mean(done))
    observed = [
        (c, s, value, value, value) for c in ("surely", "perhaps") for s in ("behaviours", "polysemantic")
    ]
    verdicts = pd.DataFrame(
        {"head": ["0.0"], "verdict": ["none"], "named_post": [0.5], "named_extended": [0.75], "rest": [0.0]}
    )
    facts = dict.fromkeys([*SIZES, *LOSSES], 1)
    columns = ["counting", "statistic", "value", "low", "high"]
    return Variant(
        facts | {"heads": heads, "seed": seed},
        pd.DataFrame(lines, columns=["head", "edges", *FIELDS]),
        verdicts,
        pd.DataFrame(observed, columns=columns),
    )


def compared(of_two, of_two_again=None):
    variants = {"four": made_up(4, [1, 1, 0, 0]), "two": made_up(2, of_two)}
    if of_two_again:
        variants["two-again"] = made_up(2, of_two_again, seed=1)
    return compare(variants, MEASURES)


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ([[1, 1]], "no"),  # the four heads do one behaviour in two: merged by two at most 1 a group
        ([[0, 0]], "no"),
        ([[2, 2]], "yes"),
        ([[2, 2], [3, 2]], "yes"),
        ([[2, 2], [1, 0]], "undecided"),
    ],
)
def test_the_answer_follows_from_the_models(models, expected):
    found = compared(*models)
    assert found.record["answer"] == expected
    assert found.record["answer_by_heads"] == {"2": expected}
    assert found.record["merged_from"] == ["four"]
    with style():
        figure = scarcity_figure(found.table, found.merged, found.record["answer"])
    assert figure.get_suptitle() == TITLES[expected]


def test_the_null_pools_both_seeds_of_the_largest_model():
    variants = {"one": made_up(4, [1, 1, 1, 1]), "other": made_up(4, [0, 0, 0, 0], seed=1)}
    merged = compare(variants | {"two": made_up(2, [1, 1])}, MEASURES).merged
    line = merged[(merged["merging"] == "united") & (merged["statistic"] == "behaviours")].iloc[0]
    assert (line["mean"], line["low"], line["high"]) == (0.5, 0.0, 1.0)


def test_the_figure_names_its_marks_and_draws_every_model(tmp_path):
    found = compared([2, 2], [1, 1])
    with style():
        figure = scarcity_figure(found.table, found.merged, "undecided")
        for axes in figure.axes:
            (dots,) = (one for one in axes.collections if isinstance(one, PathCollection))
            assert sorted(dots.get_offsets()[:, 1]) == [0.5, 1.0, 2.0]
            assert [tick.get_text() for tick in axes.get_xticklabels()] == ["2", "4"]
        save_svg(figure, tmp_path / "figure.svg")
    text = (tmp_path / "figure.svg").read_text()
    for said in (
        "merged: what any head does",
        "merged, if costs add up",
        "the models",
        "heads a layer",
        TITLES["undecided"],
    ):
        assert said in text
