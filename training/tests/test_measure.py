"""What is measured is what slow twins and the bridge find."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from recipes import changed

from polyhead.attention.labels import Definitions
from polyhead.model.opening import open_bridge, open_model
from training.export import export
from training.measure import held_out_loss, measures, named_rows, row_entropy, text_bytes
from training.model import new_model
from training.recipe import ModelRecipe

RECIPE = ModelRecipe(layers=2, heads=3, d_model=24, d_head=8, context=40)


@pytest.fixture(scope="module")
def trained():
    """A model with weights large enough for its attention to differ from place to place."""
    torch.manual_seed(0)
    model = new_model(RECIPE, 400)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture(scope="module")
def folder(trained, tokenizer_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    record = {"step": 1, "steps": 1, "tokens": 40, "seconds": 1.0, "seed": 0, "resumptions": 0}
    checkpoint = {"model": trained.state_dict(), "environment": {}, "hashes": {}, **record}
    torch.save(checkpoint, folder / "last.pt")
    export(folder / "last.pt", RECIPE, tokenizer_path, folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def sequences(vocabulary):
    drawn = np.random.default_rng(1).integers(3, 350, (20, 40)).astype(np.int32)
    drawn[:, 0] = vocabulary.bos
    drawn[3, 20] = vocabulary.eos
    return drawn


def test_the_trained_model_computes_what_the_bridge_computes_and_has_its_weights(trained, folder):
    bridge = open_bridge(folder)
    tokens = torch.randint(400, (3, 40), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.allclose(trained(tokens), bridge(tokens), atol=1e-5)
    assert trained.state_dict().keys() == bridge.state_dict().keys()


def test_weights_are_drawn_by_the_seed():
    models = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        models.append(new_model(RECIPE, 30).blocks[1].attn.q.weight)
    assert torch.equal(models[0], models[1])
    assert not torch.equal(models[0], models[2])
    assert models[0].std().item() == pytest.approx(0.02, rel=0.2)


def test_losses_entropy_and_bytes_are_those_of_slow_twins(folder, trained, sequences, vocabulary):
    model, _ = open_model(folder)
    tokens = torch.from_numpy(sequences).long()
    with torch.inference_mode():
        logs = trained(tokens).log_softmax(-1)[:, :-1]
        _, cache = open_bridge(folder).run_with_cache(tokens[:, :-1])
    nats, top1 = held_out_loss(model, sequences)
    assert nats == pytest.approx(-logs.gather(2, tokens[:, 1:, None]).mean().item(), abs=1e-5)
    assert top1 == pytest.approx((logs.argmax(-1) == tokens[:, 1:]).double().mean().item())
    patterns = torch.stack([cache["pattern", layer] for layer in range(2)])
    assert row_entropy(model, sequences) == pytest.approx(
        torch.special.entr(patterns).sum(-1).mean().item(), abs=1e-4
    )
    texts = [vocabulary.tokenizer.decode([t]) for t in (10, 270)]
    assert text_bytes(vocabulary, np.array([[0, 10, 270]])) == len("".join(texts).encode())


def test_named_rows_are_those_whose_label_is_known(folder, sequences, vocabulary):
    """With a threshold of nearly nothing every row has a name, with one of everything hardly any."""
    model, _ = open_model(folder)
    assert (named_rows(model, vocabulary, sequences[:4], Definitions(4, 1e-9)) > 0.9).all(axis=None)
    strict = named_rows(model, vocabulary, sequences[:4], Definitions(4, 1.0))
    assert strict.index.tolist() == ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"]
    assert (strict["post"] <= strict["extended"]).all()
    assert (strict["post"] < 0.2).all()


def test_measures_are_the_means_of_heads_on_held_out_text(folder, sequences, shipped_recipe, tmp_path):
    table = pa.table({"tokens": pa.array(list(sequences), pa.list_(pa.int32()))})
    pq.write_table(table, tmp_path / "held_out.parquet")
    recipe = changed(shipped_recipe.evaluation, prompts=5, loss_sequences=15)
    found = measures(folder, tmp_path / "held_out.parquet", recipe)
    assert (found["prompts"], found["held_out"]["rows"], found["held_out"]["tokens"]) == (5, 15, 15 * 39)
    assert found["named"]["post"] == pytest.approx(
        np.mean([head["post"] for head in found["heads"].values()])
    )
    nats, bits = found["held_out"]["nats_per_token"], found["held_out"]["bits_per_byte"]
    _, vocabulary = open_model(folder)
    by_hand = nats / np.log(2) * 15 * 39 / text_bytes(vocabulary, sequences[:15])
    assert bits == pytest.approx(by_hand)
