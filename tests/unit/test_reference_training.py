import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from polyhead.errors import PolyheadError
from polyhead.reference import train as training_module
from polyhead.reference.export import export
from polyhead.reference.model import BLOCK, Transformer, causal_attention
from polyhead.reference.optim import Muon, optimisers, orthogonalise, rate_factor
from polyhead.reference.recipe import ModelRecipe, load_recipe
from polyhead.reference.train import batch_at, crossed, precision_of, scheduled, start, train

RECIPE = "config/reference-model.yaml"


@pytest.fixture(scope="module")
def recipe(vocabulary):
    """The shipped recipe, made tiny: 12 steps of 4 rows of 32 tokens."""
    shipped = load_recipe(RECIPE)
    return replace(
        shipped,
        model=ModelRecipe(layers=2, heads=2, d_model=16, d_head=8, context=32),
        training=replace(
            shipped.training,
            precision="float32",
            compile=False,
            tokens=12 * 128,
            tokens_per_step=128,
            rows_per_pass=2,
            warm_up_steps=2,
            checkpoint_seconds=0,
            evaluate_tokens=512,
        ),
    )


@pytest.fixture(scope="module")
def rows():
    """Rows that can be learned: a few tokens, in a repeating order."""
    start_at = np.random.default_rng(0).integers(0, 5, (40, 1))
    drawn = (10 + (start_at + np.arange(32)) % 5).astype(np.uint16)
    drawn[:, 0] = 0
    return drawn


@pytest.fixture(autouse=True)
def one_thread():
    """Matrices this small are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(recipe, tokenizer_path, rows, vocabulary, folder):
    training = start(recipe, tokenizer_path, folder)
    train(training, rows, rows[:8], vocabulary, folder)
    return training


@pytest.mark.parametrize("positions", [1, 7, BLOCK, BLOCK + 1, 3 * BLOCK - 5])
def test_attention_in_blocks_is_causal_attention(positions):
    generator = torch.Generator().manual_seed(positions)
    q, k, v = torch.randn(3, 2, 3, positions, 8, generator=generator, requires_grad=True)
    ours, plain = causal_attention(q, k, v), scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(ours, plain)
    upstream = torch.randn(ours.shape, generator=generator)
    for our, their in zip(*(torch.autograd.grad(o, (q, k, v), upstream) for o in (ours, plain)), strict=True):
        torch.testing.assert_close(our, their)


def test_orthogonalised_matrices_have_singular_values_near_one():
    torch.manual_seed(0)
    for shape in ((3, 16, 16), (2, 8, 24), (2, 24, 8)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
        assert values.min() > 0.5
        assert values.max() < 1.3


def test_orthogonalising_keeps_the_singular_vectors():
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(12, 12))
    scaled = (u * torch.linspace(0.5, 2, 12)) @ v
    assert torch.allclose(u.mT @ orthogonalise(scaled[None])[0] @ v.mT, torch.eye(12), atol=0.35)


def test_muon_moves_every_matrix_against_its_gradient():
    parameter = torch.nn.Parameter(torch.zeros(4, 4))
    parameter.grad = torch.eye(4)
    muon = Muon([{"params": [parameter], "lr": 0.1}], momentum=0.9)
    muon.step()
    assert torch.allclose(parameter.diagonal(), torch.full((4,), -0.1), atol=0.04)


def test_muon_takes_matrices_of_different_shapes():
    tall, wide = (torch.nn.Parameter(torch.zeros(shape)) for shape in ((8, 4), (4, 8)))
    tall.grad, wide.grad = torch.randn(8, 4), torch.randn(4, 8)
    optimiser = Muon([{"params": [tall, wide], "lr": 0.1}], momentum=0.0)
    optimiser.step()
    assert (tall * tall.grad).sum() < 0
    assert (wide * wide.grad).sum() < 0


def test_every_weight_has_one_optimiser(recipe):
    model = Transformer(recipe.model, 400)
    several = optimisers(model, recipe.training)
    moved = [p for optimiser in several for group in optimiser.param_groups for p in group["params"]]
    assert sorted(map(id, moved)) == sorted(map(id, model.parameters()))
    assert [type(optimiser).__name__ for optimiser in several] == ["Muon", "Muon", "AdamW"]
    (only,) = optimisers(model, replace(recipe.training, optimiser="adamw"))
    assert len(only.param_groups[0]["params"]) == len(list(model.parameters()))


def test_the_schedule_rises_stays_and_falls_to_zero():
    factors = [rate_factor(step, 100, 10, 0.25) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9:76] == [1.0] * 67
    assert factors[80] == pytest.approx(0.8)
    assert factors[100] == 0.0


def test_a_larger_budget_only_moves_the_fall():
    assert rate_factor(80, 200, 10, 0.25) == 1.0


def test_an_epoch_visits_every_row_once_and_the_next_in_another_order(recipe):
    rows = np.repeat(np.arange(40, dtype=np.uint16)[:, None], 32, axis=1)
    epochs = [torch.cat([batch_at(rows, step, recipe)[:, 0] for step in range(e, e + 10)]) for e in (0, 10)]
    assert all(sorted(epoch.tolist()) == list(range(40)) for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()


def test_too_few_rows_for_a_step_is_an_error(recipe, rows):
    with pytest.raises(PolyheadError, match="a step takes 4 rows, the corpus has 3"):
        batch_at(rows[:3], 0, recipe)


def test_training_learns_and_writes_its_log(recipe, tokenizer_path, rows, vocabulary, tmp_path):
    training = run(recipe, tokenizer_path, rows, vocabulary, tmp_path)
    losses = [line["held_out_loss"] for line in training.log]
    assert [line["tokens"] for line in training.log] == [512, 1024, 1536]
    assert losses[-1] < losses[0] < np.log(400) + 0.1
    assert (tmp_path / "log.csv").read_text().startswith("tokens,seconds,loss,held_out_loss,")
    assert crossed(training, 10**9)


def test_a_killed_training_goes_on_as_if_nothing_had_happened(
    recipe, tokenizer_path, rows, vocabulary, tmp_path, monkeypatch
):
    whole = run(recipe, tokenizer_path, rows, vocabulary, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(training_module, "batch_at", dies_at_step(7))
        with pytest.raises(KeyboardInterrupt):
            run(recipe, tokenizer_path, rows, vocabulary, tmp_path / "killed")
    resumed = run(recipe, tokenizer_path, rows, vocabulary, tmp_path / "killed")
    assert resumed.step == whole.step == 12
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name
    assert [line["held_out_loss"] for line in resumed.log] == [line["held_out_loss"] for line in whole.log]


def dies_at_step(last):
    def batch(rows, step, recipe):
        if step == last:
            raise KeyboardInterrupt
        return batch_at(rows, step, recipe)

    return batch


@pytest.fixture(scope="module")
def exported(recipe, tokenizer_path, rows, vocabulary, tmp_path_factory):
    """The model of a whole training, as it is handed over."""
    folder = tmp_path_factory.mktemp("exported")
    trained = run(recipe, tokenizer_path, rows, vocabulary, folder / "checkpoint")
    export(folder / "checkpoint/last.pt", recipe.model, tokenizer_path, folder)
    shutil.copy(folder / "checkpoint/log.csv", folder / "training-log.csv")
    return folder, trained


def going_on(recipe, folder, **changes):
    return replace(recipe, training=replace(recipe.training, go_on_from=str(folder), **changes))


def test_a_training_goes_on_from_weights_alone(recipe, tokenizer_path, rows, vocabulary, exported, tmp_path):
    folder, trained = exported
    further = going_on(recipe, folder, tokens=16 * 128)
    training = start(further, tokenizer_path, tmp_path)
    for name, weight in trained.model.state_dict().items():
        assert torch.equal(weight, training.model.state_dict()[name]), name
    assert (training.step, training.tokens, training.seconds) == (
        12,
        12 * 128,
        pytest.approx(trained.seconds),
    )
    factors = [scheduled(training, step) for step in range(12, 17)]
    assert factors == [0.5, 0.75, 0.5, 0.25, 0.0]  # warm-up and fall over the four steps that are left
    done = run(further, tokenizer_path, rows, vocabulary, tmp_path)
    assert [line["tokens"] for line in done.log] == [512, 1024, 1536, 2048]
    again = start(further, tokenizer_path, tmp_path)  # from its own checkpoint now
    assert (again.step, again.begun) == (16, 12)


def test_weights_of_another_shape_or_tokenizer_are_refused(recipe, tokenizer_path, exported, tmp_path):
    folder, _ = exported
    wider = replace(recipe, model=replace(recipe.model, d_head=4))
    with pytest.raises(PolyheadError, match="a model of another shape"):
        start(going_on(wider, folder), tokenizer_path, tmp_path)
    other = tmp_path / "tokenizer.json"
    other.write_text(tokenizer_path.read_text() + "\n")
    with pytest.raises(PolyheadError, match="another tokenizer"):
        start(going_on(recipe, folder), other, tmp_path)


@pytest.mark.parametrize(
    ("able", "chosen"),
    [
        ({"avx2": True}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
    ],
)
def test_products_are_in_bfloat16_only_where_the_processor_has_it(recipe, monkeypatch, able, chosen):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert precision_of(replace(recipe.training, precision="auto")) is chosen
    assert precision_of(replace(recipe.training, precision="auto", device="cuda")) is torch.bfloat16
    assert precision_of(replace(recipe.training, precision="float32")) is torch.float32


def test_a_checkpoint_of_another_model_is_refused(recipe, tokenizer_path, rows, vocabulary, tmp_path):
    run(
        replace(recipe, training=replace(recipe.training, tokens=128)),
        tokenizer_path,
        rows,
        vocabulary,
        tmp_path,
    )
    wider = replace(recipe, model=replace(recipe.model, d_model=32))
    with pytest.raises(PolyheadError, match="another model or tokenizer"):
        start(wider, tokenizer_path, tmp_path)


def test_a_recipe_with_a_wrong_key_is_refused(tmp_path):
    path = tmp_path / "recipe.yaml"
    with open(RECIPE, encoding="utf-8") as file:  # noqa: PTH123
        path.write_text(file.read().replace("  heads: 8", "  haeds: 8"))
    with pytest.raises(PolyheadError, match="missing 'heads', unknown 'haeds'"):
        load_recipe(path)
