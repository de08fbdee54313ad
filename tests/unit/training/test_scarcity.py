import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from polyhead.errors import PolyheadError
from polyhead.model.opening import open_model
from polyhead.training.packing import Packed
from polyhead.training.scarcity import load_variants, train_variant
from polyhead.training.train import start

RECIPE = "config/scarcity.yaml"


@pytest.fixture
def given():
    """The shipped file as it is read."""
    with open(RECIPE, encoding="utf-8") as file:  # noqa: PTH123
        return yaml.safe_load(file)


def written(given, tmp_path):
    path = tmp_path / "scarcity.yaml"
    path.write_text(yaml.safe_dump(given))
    return path


def test_the_variants_differ_in_heads_and_seed_alone(given):
    recipes = load_variants(RECIPE)
    compared = [recipes[name] for name in given["variants"]]
    found = {(one.model.heads, one.training.seed) for one in compared}
    assert found == {(2, 0), (4, 0), (8, 0), (16, 0), (4, 1), (16, 1)}
    alike = {(replace(one.model, heads=1, d_head=1), str(replace(one.training, seed=0))) for one in compared}
    assert len(alike) == 1
    assert all(one.model.heads * one.model.d_head == 256 for one in compared)
    assert all(one.training.tokens >= 12_000_000 for one in recipes.values())


def test_a_probe_changes_one_choice_of_the_four_head_model(given):
    recipes = load_variants(RECIPE)
    plain = recipes["heads-4-seed-0"]
    for name in given["probes"]:
        assert recipes[name].model == plain.model
        changes = {
            key for key, value in vars(recipes[name].training).items() if value != vars(plain.training)[key]
        }
        assert len(changes) == 1, name


def test_heads_that_do_not_fill_the_width_are_refused(given, tmp_path):
    given["variants"]["heads-16-seed-0"] = {"model": {"heads": 16}}
    with pytest.raises(PolyheadError, match="heads-16-seed-0: 16 heads of 64 do not fill 256"):
        load_variants(written(given, tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"muon_rat": 1}}, "muon_rat: unknown key"),
        ({"corpus": {}}, "changes model and training only"),
    ],
)
def test_a_variant_with_a_wrong_key_is_refused(given, tmp_path, change, message):
    given["probes"]["adamw"] = change
    with pytest.raises(PolyheadError, match=message):
        load_variants(written(given, tmp_path))


@pytest.fixture
def tiny():
    """The two-head variant, made tiny: 3 steps of 4 sequences of 32 tokens."""
    shipped = load_variants(RECIPE)["heads-2-seed-0"]
    small = {"precision": "float32", "compile": False, "tokens": 384, "tokens_per_step": 128}
    model = replace(shipped.model, layers=1, d_model=16, d_head=8, context=32)
    return replace(shipped, model=model, training=replace(shipped.training, **small, evaluate_tokens=128))


@pytest.fixture
def packed(tmp_path):
    """A file of packed sequences."""
    tokens = np.random.default_rng(0).integers(3, 300, (40, 32)).astype(np.uint16)
    tokens[:, 0] = 0
    path = tmp_path / "packed.npz"
    Packed(tokens, np.arange(40), np.ones(40, np.int32), np.arange(41)).save(path)
    return path


def test_a_variant_is_handed_over_as_a_model_that_opens(tiny, packed, tokenizer_path, tmp_path):
    train_variant(tiny, tokenizer_path, packed, packed, tmp_path / "variant")
    folder = tmp_path / "variant/model"
    model, _ = open_model(folder)
    assert (len(model.layers), model.layers[0].n_heads, model.n_context) == (1, 2, 32)
    assert len((folder / "training-log.csv").read_text().splitlines()) == 4
    assert json.loads((folder / "training.json").read_text())["tokens"] == 384


def test_the_seed_decides_the_first_weights(tiny, packed, tokenizer_path, tmp_path):
    sequences = np.load(packed)["tokens"]
    other = replace(tiny, training=replace(tiny.training, seed=1))
    drawn = [start(one, tokenizer_path, sequences, tmp_path).model for one in (tiny, tiny, other)]
    first, again, differently = (model.embed.weight for model in drawn)
    assert (first == again).all()
    assert (first != differently).any()
