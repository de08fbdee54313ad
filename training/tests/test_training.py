import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from recipes import RECIPE, changed
from torch.nn.functional import scaled_dot_product_attention

from polyhead.errors import PolyheadError
from polyhead.files import sha256
from training import train as training_module
from training.export import export
from training.model import BLOCK, causal_attention, new_model, sinusoid_table
from training.optim import optimisers, rate_factor
from training.recipe import ModelRecipe, load_recipe
from training.record import recipe_hash
from training.train import Training, batch_at, compiled_loss, one_step, precision_of, start, train, workers

HASHES = {
    "seed-1": "63a6878daa9dec6fc996aaadb08c99566f137f9e2002b9468a4b10fcb9ec700d",
    "4x64": "e7f3d138d915f719ec43628de7f18a6c9cb601931e9c53c22bb5305463e69617",
}
"""By these the checkpoints of the shipped recipe are known."""


@pytest.mark.parametrize("run", HASHES)
def test_checkpoints_of_the_recipe_stay_usable(run):
    assert recipe_hash(load_recipe(RECIPE, run)) == HASHES[run]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("heads: 2", "haeds: 2", r"model\.heads: Field required\n  model\.haeds: Extra inputs"),
        ("d_model: 256", "d_model: wide", r"model\.d_model: Input should be"),
        ("optimiser: muon", "optimiser: sgd", "'muon' or 'adamw'"),
    ],
)
def test_a_recipe_with_a_wrong_key_or_value_is_refused(tmp_path, key, value, said):
    path, text = tmp_path / "recipe.yaml", RECIPE.read_text(encoding="utf-8")
    assert key in text
    path.write_text(text.replace(key, value, 1))
    with pytest.raises(PolyheadError, match=said):
        load_recipe(path)


def test_a_run_that_the_recipe_does_not_have_is_refused():
    with pytest.raises(PolyheadError, match="no run is called 'seed-9'; there are seed-1, "):
        load_recipe(RECIPE, "seed-9")


@pytest.fixture(scope="module")
def recipe(shipped_recipe):
    """The shipped recipe, made tiny: 12 steps of 4 sequences of 32 tokens."""
    tiny = {"precision": "float32", "compile": False, "tokens": 12 * 128, "tokens_per_step": 128}
    tiny |= {"sequences_per_pass": 2, "warm_up_steps": 2, "checkpoint_seconds": 0, "evaluate_tokens": 512}
    model = ModelRecipe(layers=2, heads=2, d_model=16, d_head=8, context=32)
    return changed(shipped_recipe, model=model, training=changed(shipped_recipe.training, **tiny))


@pytest.fixture(scope="module")
def sequences():
    """Sequences that can be learned: a few tokens, in a repeating order."""
    start_at = np.random.default_rng(0).integers(0, 5, (40, 1))
    drawn = (10 + (start_at + np.arange(32)) % 5).astype(np.uint16)
    drawn[:, 0] = 0
    return drawn


@pytest.fixture
def run(recipe, tokenizer_path, sequences, vocabulary):
    """Train, or go on training, in a folder; stopped before step `stop`, as by a kill, if that is given."""

    def run(folder, stop=None):
        def batch(sequences, step, recipe):
            if step == stop:
                raise KeyboardInterrupt
            return batch_at(sequences, step, recipe)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training_module, "batch_at", batch)
            training = start(recipe, tokenizer_path, sequences, folder)
            train(training, sequences, sequences[:8], vocabulary, folder)
            return training

    return run


@pytest.mark.parametrize("positions", [1, 7, BLOCK, 3 * BLOCK - 5])
def test_attention_in_blocks_is_causal_attention(positions):
    generator = torch.Generator().manual_seed(positions)
    q, k, v = torch.randn(3, 2, 3, positions, 8, generator=generator, requires_grad=True)
    (ours, _), plain = causal_attention(q, k, v), scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(ours, plain)
    upstream = torch.randn(ours.shape, generator=generator)
    for our, their in zip(*(torch.autograd.grad(o, (q, k, v), upstream) for o in (ours, plain)), strict=True):
        torch.testing.assert_close(our, their)


def test_the_entropy_of_a_row_is_that_of_its_pattern():
    q, k, v = torch.randn(3, 1, 2, 150, 8, generator=torch.Generator().manual_seed(0))
    _, entropy = causal_attention(q, k, v)
    for head, dest in ((0, 0), (1, 3), (0, 149)):
        row = (k[0, head, : dest + 1] @ q[0, head, dest] / 8**0.5).softmax(0)
        assert float(entropy[0, head, dest]) == pytest.approx(float(-(row * row.log()).sum()), abs=1e-5)


def test_positions_start_as_turned_sinusoids(recipe):
    torch.manual_seed(0)
    table = new_model(changed(recipe.model, context=64), 400, sinusoids=0.04).pos_embed.weight.detach()
    products = table @ table.T / 0.04**2
    by_hand = sum(np.cos((5 - 40) / 10000 ** (i / 16)) for i in range(0, 16, 2))
    assert float(products[5, 40]) == pytest.approx(by_hand, rel=1e-4)
    assert sinusoid_table(64, 16)[3, :2].tolist() == pytest.approx([np.sin(3), np.cos(3)])


def test_the_penalty_is_added_to_the_gradient_and_rises_over_the_first_half(recipe):
    def moved(step, penalty):
        torch.manual_seed(0)
        chosen = changed(recipe, training=changed(recipe.training, entropy_penalty=penalty))
        training = Training(chosen, {}, new_model(recipe.model, 400), [], step)
        batch = torch.randint(3, 400, (2, 32), generator=torch.Generator().manual_seed(1))
        with workers(chosen.training) as pool:
            loss = one_step(training, compiled_loss(training.model, chosen), batch, pool)
        return loss, training.model.blocks[0].attn.q.weight.grad

    (plain, none), (same, zero), (_, half), (_, full), (_, late) = (
        moved(step, penalty) for step, penalty in ((6, 0.0), (0, 0.1), (3, 0.1), (6, 0.1), (11, 0.1))
    )
    assert plain == same
    torch.testing.assert_close(zero, none)
    torch.testing.assert_close(late, full)
    torch.testing.assert_close(half - none, (full - none) / 2)
    assert (full - none).abs().max() > 0


def test_every_weight_has_one_optimiser(recipe):
    model = new_model(recipe.model, 400)
    several = optimisers(model, recipe.training)
    moved = [p for optimiser in several for group in optimiser.param_groups for p in group["params"]]
    assert sorted(map(id, moved)) == sorted(map(id, model.parameters()))
    assert [type(optimiser).__name__ for optimiser in several] == ["Muon", "Muon", "AdamW"]
    (only,) = optimisers(model, changed(recipe.training, optimiser="adamw"))
    assert len(only.param_groups[0]["params"]) == len(list(model.parameters()))


def test_the_schedule_rises_stays_and_falls_to_zero():
    factors = [rate_factor(step, 100, 10, 0.25) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9:76] == [1.0] * 67
    assert factors[80] == pytest.approx(0.8)
    assert factors[100] == 0.0


def test_an_epoch_visits_every_sequence_once_and_the_next_in_another_order(recipe, sequences):
    numbered = np.repeat(np.arange(40, dtype=np.uint16)[:, None], 32, axis=1)
    steps = (range(first, first + 10) for first in (0, 10))
    epochs = [torch.cat([batch_at(numbered, step, recipe)[:, 0] for step in some]) for some in steps]
    assert all(sorted(epoch.tolist()) == list(range(40)) for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()
    with pytest.raises(PolyheadError, match="a step takes 4 sequences, the corpus has 3"):
        batch_at(sequences[:3], 0, recipe)


def test_a_killed_training_goes_on_as_if_nothing_had_happened(run, tmp_path):
    whole = run(tmp_path / "whole")
    for _ in range(2):  # the second one is killed before it did a step: it counts all the same
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "killed", stop=7)
    resumed = run(tmp_path / "killed")
    assert (resumed.step, whole.resumptions, resumed.resumptions) == (12, 0, 2)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name
    losses = [line["held_out_loss"] for line in whole.log]
    assert [line["held_out_loss"] for line in resumed.log] == losses
    assert [line["tokens"] for line in whole.log] == [512, 1024, 1536]
    assert all(later < earlier for earlier, later in pairwise([np.log(400) + 0.1, *losses]))
    assert (tmp_path / "whole/log.csv").read_text().startswith("tokens,seconds,loss,held_out_loss,")
    assert run(tmp_path / "killed").resumptions == 2  # opening a finished one is no resumption


def test_the_record_says_how_the_exported_weights_came_about(run, recipe, tokenizer_path, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop=7)
    with pytest.raises(PolyheadError, match="stopped at step 7 of 12"):
        export(tmp_path / "last.pt", recipe.model, tokenizer_path, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    trained = run(tmp_path)
    export(tmp_path / "last.pt", recipe.model, tokenizer_path, tmp_path / "model")
    record = json.loads((tmp_path / "model/training.json").read_text())
    assert (record["runs"], record["resumptions"], record["seed"]) == (1, 1, recipe.training.seed)
    assert (record["steps"], record["tokens"], record["precision"]) == (12, 12 * 128, "float32")
    assert record["seconds"] == pytest.approx(trained.seconds)
    assert record["software"]["numpy"] == np.__version__
    hashes = record["sha256"]
    assert hashes["weights"] == sha256(tmp_path / "model/model.safetensors")
    assert (hashes["tokenizer"], hashes["recipe"]) == (sha256(tokenizer_path), recipe_hash(recipe))


def test_a_training_is_not_steered_but_may_go_on_at_another_pace(
    run, recipe, tokenizer_path, sequences, tmp_path
):
    run(tmp_path)

    def again(**changes):
        steered = changed(recipe, training=changed(recipe.training, **changes))
        return start(steered, tokenizer_path, sequences, tmp_path)

    for change in ({"tokens": 9 * 128}, {"muon_rate": 0.01}, {"entropy_penalty": 0.5}, {"seed": 9}):
        with pytest.raises(PolyheadError, match="begun with another recipe; a training is never steered"):
            again(**change)
    other = tmp_path / "tokenizer.json"
    other.write_text(tokenizer_path.read_text() + "\n")
    with pytest.raises(PolyheadError, match="begun with another corpus and tokenizer"):
        start(recipe, other, sequences[::-1], tmp_path)
    assert again(sequences_per_pass=4, checkpoint_seconds=5, compile=True).step == 12


def test_products_are_in_bfloat16_only_where_the_processor_has_it(recipe, monkeypatch):
    auto = changed(recipe.training, precision="auto")
    for able, chosen in (("avx2", "float32"), ("avx512_bf16", "bfloat16"), ("amx_bf16", "bfloat16")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: {able: True})
        assert precision_of(auto) is getattr(torch, chosen)
        assert precision_of(changed(auto, device="cuda")) is torch.bfloat16
        assert precision_of(recipe.training) is torch.float32
