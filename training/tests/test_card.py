import numpy as np
import pandas as pd
import pytest

from polyhead.training.card import bump, draw_curves, many_sided, model_card
from polyhead.training.recipe import load_recipe


def head(**post):
    """Return made-up evidence on a head with the given label shares."""
    return {
        "induction_repeated": 0.5,
        "induction_repeated_long": 0.2,
        "induction_repeated_any": 0.1,
        "previous": 0.25,
        "previous_window": 0.3,
        "induction": 0.1,
        "duplicate": 0.05,
        "bos": 0.2,
        "unknown_share": 0.4,
        "labels": {"post": post, "extended": {"current": 0.8, "unknown": 0.2}},
        "ablated": {
            "induction": {"top1": 0.25, "probability": 0.1},
            "bigger_indentation": {"top1": 0.0, "probability": 0.0},
            "bigger_indentation_blank": {"top1": 0.9, "probability": 0.45},
            "previous_isinstance": {"top1": 0.85, "probability": 0.4},
        },
    }


@pytest.fixture
def evaluation():
    return {
        "tokens_seen": 20_000_000,
        "training_seconds": 2000.0,
        "held_out": {
            "nats_per_token": 2.25,
            "bits_per_byte": 0.97,
            "top1": 0.5,
            "rows": 1200,
            "tokens": 306_000,
            "every_100th_row": 2.3,
        },
        "threshold": 0.95,
        "previous_window": 4,
        "prompts": 400,
        "heads": {
            "0.0": head(previous=0.9, unknown=0.1),
            "1.4": head(previous=0.3, inactive=0.3, unknown=0.4),
        },
        "tasks": {
            "induction": {"top1": 0.93, "probability": 0.28, "prompts": 120},
            "bigger_indentation": {"top1": 0.5, "probability": 0.3, "prompts": 50},
            "bigger_indentation_blank": {"top1": 0.95, "probability": 0.6, "prompts": 50},
            "previous_isinstance": {"top1": 0.85, "probability": 0.4, "prompts": 50},
        },
    }


@pytest.fixture
def log():
    columns = ["tokens", "seconds", "loss", "held_out_loss", "held_out_top1"]
    columns += ["induction_repeated", "induction_repeated_long", "induction_repeated_any"]
    columns += ["previous", "unknown_share"]
    lines = [
        [1e6, 100, 5.0, 5.1, 0.1, 0.0, 0.0, 0.1, 0.1, 0.9],
        [2e6, 200, 3.0, 3.1, 0.4, 0.6, 0.5, 0.4, 0.7, 0.2],
    ]
    return pd.DataFrame(lines, columns=columns)


@pytest.fixture
def record():
    return {
        "runs": 1,
        "resumptions": 3,
        "tokens": 20_000_000,
        "steps": 2441,
        "seconds": 2000.0,
        "seed": 0,
        "device": "cpu: x86_64",
        "precision": "bfloat16",
        "software": {"python": "3.11.7", "torch": "2.13.0"},
        "sha256": {"recipe": "a" * 64, "weights": "b" * 64},
    }


def test_a_head_with_one_behaviour_is_not_many_sided(evaluation):
    assert many_sided(evaluation["heads"]["0.0"]) == pytest.approx(0)
    assert many_sided(evaluation["heads"]["1.4"]) == pytest.approx(0.3)


def test_the_card_prints_the_numbers_of_the_evaluation(evaluation, log, record):
    aims = pd.DataFrame([{"aim": "a head that is polysemantic", "found": "1.4: none", "reached": False}])
    card = model_card(evaluation, log, record, load_recipe("config/reference-model.yaml"), aims)
    assert "2.250 nats per token, 0.970 bits per byte" in card
    assert "20.0 million tokens" in card
    assert "10,000 tokens/s" in card
    assert "| induction | 120 | 93 | 0.28 |" in card
    assert "| a head that is polysemantic | 1.4: none | **no** |" in card
    assert "| times stopped and gone on with | 3 |" in card
    assert f"| SHA-256 of the weights | `{'b' * 16}…` |" in card
    assert "{" not in card


def test_the_bump_is_where_the_score_passes_half_of_its_highest_value(log):
    log.loc[2] = [3e6, 300, 2.0, 2.1, 0.5, 0.1, 0.1, 0.2, 0.7, 0.2]
    assert bump(log).endswith("(0.60) at 2M tokens; at the end it is 0.10")
    log.loc[0, "induction_repeated"] = np.nan  # a log that began before there was this column
    assert "any random tokens twice, passes half of its highest value (0.40) at 2M tokens" in bump(log)


def test_the_curves_are_the_same_file_every_time(log, tmp_path):
    for name in ("first.svg", "again.svg"):
        draw_curves(log, tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()


def test_without_a_study_the_card_says_how_the_aims_about_a_head_are_measured(evaluation, log, record):
    card = model_card(evaluation, log, record, load_recipe("config/reference-model.yaml"), None)
    assert "`snakemake reference_aims`" in card
