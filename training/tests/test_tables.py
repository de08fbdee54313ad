"""Which run comes first, what runs have in common, and the card that is made of it."""

import pandas as pd
import pytest

from polyhead.edges.selection import ranking
from polyhead.files import write_csv
from training.card import draw_curves, in_common, model_card, seeds_table
from training.tables import Run, first_of, precedence, read_runs, runs_table


def ranked(head, layers, behaviours, sink=0.0, named=0.5):
    return {"head": head, "layers": layers, "behaviours": behaviours, "sink": sink, "named": named}


ORDERED = [
    ranked("1.0", "middle", "previous+induction+indent", named=0.2),
    ranked("1.1", "middle", "previous+induction", sink=0.1, named=0.19),  # as much as three behaviours
    ranked("2.0", "middle", "previous+induction", sink=0.09, named=0.9),
    ranked("2.1", "middle", "previous+line_start", named=0.8),
    ranked("3.0", "last", "previous+induction+indent+duplicate", named=1.0),
    ranked("0.0", "first", "previous+duplicate", named=1.0),
    ranked("3.1", "last", "previous", sink=0.9, named=0.7),
    ranked("0.1", "first", "", named=0.6),
]


def test_models_are_ordered_as_heads_of_one_model_are():
    """The library ranks the heads of one model by the same rule."""
    assert sorted([ORDERED[k] for k in (5, 2, 7, 0, 6, 3, 1, 4)], key=precedence) == ORDERED
    table = pd.DataFrame(ORDERED[::-1]).assign(verdict="")
    heads = ranking(table, table.set_index("head")["named"])
    assert heads[["head", "layers"]].to_dict("records") == [
        {k: one[k] for k in ("head", "layers")} for one in ORDERED
    ]


def run(shipped_recipe, name, first, *others):
    held_out = {"nats_per_token": 2.25, "bits_per_byte": 1.0, "top1": 0.5, "rows": 20, "tokens": 780}
    measured = {"held_out": held_out, "row_entropy": 1.17, "named": {"post": 0.17, "extended": 0.456}}
    return Run(name, shipped_recipe, measured, [first, *others])


@pytest.fixture
def runs(shipped_recipe):
    one, two, three = ORDERED[2], ORDERED[1], ORDERED[4]
    return [
        run(shipped_recipe, "seed-1", one, ranked("0.0", "first", "previous")),
        run(shipped_recipe, "seed-2", two, ranked("0.1", "first", "previous", sink=0.2)),
        run(shipped_recipe, "seed-3", three, ranked("0.1", "first", "")),
    ]


def test_the_run_whose_head_comes_first_is_shipped_and_of_equals_the_first_run(runs):
    assert first_of(runs).name == "seed-2"
    assert first_of([runs[0], runs[0]]) is runs[0]


def test_a_line_says_which_heads_do_what(runs):
    line = runs_table(runs).set_index("run").loc["seed-2"]
    assert (line["previous"], line["induction"], line["indent"]) == ("0.1 1.1", "1.1", "")
    assert (line["sink"], line["polysemantic"], line["a_head"]) == ("0.1 1.1", "1.1", 1.5)
    assert (line["head"], line["does"], line["its_sink"]) == ("1.1", "previous+induction", 0.1)
    assert (line["heads"], line["d_head"], line["entropy_penalty"]) == (2, 128, 0.05)
    assert line["named_extended"] == 0.456


@pytest.mark.parametrize(
    ("name", "values", "shared"),
    [
        ("previous", ["0.0 2.0", "0.1 2.1", "2.0"], "layer 2"),
        ("previous", ["0.0", "1.1", ""], "–"),
        ("head", ["1.0", "1.0", "1.0"], "1.0"),
        ("head", ["1.0", "1.0", "2.0"], "–"),
        ("named_post", [0.17, 0.231, 0.2], "17 % to 23 %"),
        ("row_entropy", [1.17, 1.021, 1.1], "1.02 to 1.17"),
    ],
)
def test_what_runs_have_in_common(name, values, shared):
    assert in_common(name, pd.Series(values)) == shared


@pytest.fixture
def table(runs, tmp_path):
    """The table of the runs, as it is read again: heads such as 1.0 stay text."""
    write_csv(tmp_path / "seeds.csv", runs_table(runs).assign(first=[False, True, False]))
    return read_runs(tmp_path / "seeds.csv")


@pytest.fixture
def compared(table):
    other = {"entropy_penalty": [0.0, 0.05, 0.05], "bits_per_byte": [0.98, 1.02, 1.1], "heads": [2, 2, 4]}
    return table.assign(**other)


RECORD = {"tokens": 20_000_000, "seconds": 1200.0, "resumptions": 3, "device": "cpu: x86_64"}
RECORD |= {"precision": "bfloat16", "software": {"python": "3.11.7"}}


def test_the_card_prints_the_tables_and_the_claims(runs, table, compared, shipped_recipe):
    claims = [["aims", "Three behaviours.", "yes", "3"], ["previous", "Another.", "no", ""]]
    claims = pd.DataFrame(claims, columns=["section", "says", "answer", "numbers"])
    card = model_card(shipped_recipe, RECORD, dict(runs[0].measures), table, compared, claims)
    assert "2.250 nats per token, 1.000 bits per byte" in card
    assert "20.0 million tokens, 20 minutes" in card
    assert "is shipped: `seed-2`" in card
    assert all(f"| {loss:.3f}" in card for loss in compared["bits_per_byte"])
    assert "Three behaviours." in card
    assert "Another." not in card
    assert "{" not in card
    assert seeds_table(table).set_index("").loc["heads that do previous"].tolist() == [
        "0.0, 2.0",
        "0.1, 1.1",
        "3.0",
        "–",
    ]


def test_without_a_study_the_card_says_so(runs, table, compared, shipped_recipe):
    card = model_card(shipped_recipe, RECORD, dict(runs[0].measures), table, compared, None)
    assert "No study of the shipped model" in card


def test_the_curves_are_the_same_file_every_time(tmp_path):
    columns = ["tokens", "loss", "held_out_loss", "row_entropy", "unknown_share"]
    log = pd.DataFrame([[1e6, 5.0, 5.1, 2.0, 0.9], [2e6, 3.0, 3.1, 1.5, 0.2]], columns=columns)
    for name in ("first.svg", "again.svg"):
        draw_curves(log, tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()
