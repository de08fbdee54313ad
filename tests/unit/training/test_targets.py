"""Aims: what the model alone must reach, and what a study must find of its head."""

import pandas as pd
import pytest

from polyhead.training.recipe import load_recipe
from polyhead.training.targets import context_drops, head_targets, targets, task_drops


@pytest.fixture
def wanted():
    return load_recipe("config/reference-model.yaml").targets


def test_an_aim_is_reached_or_not_as_the_evaluation_says(wanted):
    evaluation = {
        "held_out": {"bits_per_byte": 0.97},
        "heads": {
            "0.0": {"induction_repeated": 0.5, "previous": 0.25},
            "1.4": {"induction_repeated": 0.4, "previous": 0.71},
        },
        "tasks": {
            "induction": {"top1": 0.93},
            "bigger_indentation": {"top1": 0.5},
            "bigger_indentation_blank": {"top1": 0.95},
            "previous_isinstance": {"top1": 0.85},
        },
    }
    assert [(target.found, target.reached) for target in targets(evaluation, wanted)] == [
        ("0.970", False),
        ("0.50, head 0.0", False),
        ("0.71, head 1.4", True),
        ("93%, induction", True),
        ("95%, bigger_indentation_blank", True),
        ("85%, previous_isinstance", False),
    ]


def context_lines(behaviour, drop, through, clean=0.9, ablated=0.8):
    """Return the clean line of a behaviour's contexts, and those of the whole row and of its edges."""
    facts = {"behaviour": behaviour, "eligible": 50, "prompts": 40, "documents": 30}
    return [
        facts | {"run": "clean", "top1": clean},
        facts | {"run": "ablated", "method": "bos", "edges": "all", "top1": ablated, "drop": drop},
        facts | {"run": "ablated", "method": "bos", "edges": behaviour, "top1": ablated, "drop": through},
        facts | {"run": "ablated", "method": "mean", "edges": behaviour, "top1": ablated, "drop": 9.0},
    ]


@pytest.fixture
def study(tmp_path):
    """Return a made-up study whose head 1.2 meets every aim but by a hair."""
    tables = tmp_path / "heads" / "1.2"
    tables.mkdir(parents=True)
    verdicts = [["0.0", "none", ""], ["1.2", "polysemantic", "previous+induction"]]
    pd.DataFrame(verdicts, columns=["head", "verdict", "behaviours"]).to_csv(
        tmp_path / "verdicts.csv", index=False
    )
    shares = [["post", "all", "unknown", 0.9], ["post", "all", "previous", 0.1]]
    shares += [["extended", "all", "unknown", 0.49], ["extended", "⏎", "unknown", 0.1]]
    shares += [["extended", "all", "previous", 0.51]]
    pd.DataFrame(shares, columns=["taxonomy", "token_label", "label", "share"]).to_csv(
        tables / "distribution.csv", index=False
    )
    contexts = context_lines("previous", 0.12, 0.07) + context_lines("induction", 0.02, 0.02, ablated=0.7)
    contexts += [{"behaviour": "indent", "eligible": 0, "prompts": 0, "documents": 0, "run": "clean"}]
    pd.DataFrame(contexts).to_csv(tables / "contexts.csv", index=False)
    before = [["previous", 1, 0.05], ["previous", 2, 0.01], ["induction", 1, 0.005]]
    pd.DataFrame(before, columns=["behaviour", "distance", "drop"]).to_csv(
        tables / "context_positions.csv", index=False
    )
    runs = [[name, "bos", run, drop, 0.0] for name, drop in (("a", 0.3), ("b", 0.2)) for run in ("ablated",)]
    pd.DataFrame(runs, columns=["task", "method", "run", "drop", "top1_drop"]).to_csv(
        tables / "ablation.csv", index=False
    )
    edges = [["a", "all", 0.3, False], ["a", "previous", 0.2, True], ["b", "induction", 0.15, True]]
    edges += [["b", "rest", 0.01, False]]
    pd.DataFrame(edges, columns=["task", "edges", "drop", "shows"]).assign(method="bos").to_csv(
        tables / "task_edges.csv", index=False
    )
    positions = [["a", "destination", 0.3], ["a", "slot", 0.1], ["b", "destination", 0.2], ["b", "", 0.02]]
    pd.DataFrame(positions, columns=["task", "role", "drop"]).assign(method="bos").to_csv(
        tables / "ablation_positions.csv", index=False
    )
    return tmp_path


def test_a_head_that_meets_every_aim_by_a_hair(study, wanted):
    found = head_targets(study, "1.2", wanted.head)
    assert [target.reached for target in found] == [True] * 4
    assert found[0].found == "1.2: polysemantic (previous+induction)"
    assert found[1].found == "51%, extended"
    assert found[2].found.startswith("previous: 0.12 (through its edges 0.07, elsewhere at most 0.05)")


@pytest.mark.parametrize(
    ("file", "column", "value", "missed"),
    [
        ("verdicts.csv", "verdict", "undecided", 0),
        ("heads/1.2/distribution.csv", "share", 0.5, 1),
        ("heads/1.2/contexts.csv", "drop", 0.05, 2),
        ("heads/1.2/context_positions.csv", "drop", 0.06, 2),
        ("heads/1.2/task_edges.csv", "drop", 0.09, 3),
        ("heads/1.2/task_edges.csv", "shows", False, 3),
        ("heads/1.2/ablation_positions.csv", "drop", 0.2, 3),
    ],
)
def test_each_aim_can_be_missed(study, wanted, file, column, value, missed):
    pd.read_csv(study / file, dtype={"head": str}).assign(**{column: value}).to_csv(study / file, index=False)
    found = head_targets(study, "1.2", wanted.head)
    assert [number for number, target in enumerate(found) if not target.reached] == [missed]


def test_a_head_of_the_last_layer_misses_the_aim_about_its_place(study, wanted):
    verdicts = study / "verdicts.csv"
    pd.read_csv(verdicts, dtype=str).replace({"1.2": "3.2"}).to_csv(verdicts, index=False)
    (study / "heads" / "1.2").rename(study / "heads" / "3.2")
    assert not head_targets(study, "3.2", wanted.head)[0].reached


def test_first_choices_lost_count_as_much_as_probability(study):
    drops = context_drops(study / "heads" / "1.2").set_index("name")
    assert drops.loc["induction", "top1_drop"] == pytest.approx(0.2)
    assert "indent" not in drops.index


def test_a_task_counts_for_the_behaviour_that_it_shows(study):
    drops = task_drops(study / "heads" / "1.2")
    assert drops[["name", "behaviour"]].to_numpy().tolist() == [["a", "previous"], ["b", "induction"]]
    assert drops["elsewhere"].tolist() == [0.1, 0.02]
