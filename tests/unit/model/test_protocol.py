"""What stages ask of a model, and that weights go in and out unchanged."""

import pytest
import torch
from toys import random_state

from polyhead.errors import PolyheadError
from polyhead.model.opening import open_model
from polyhead.model.transformer import from_state

SIZES = {"n_layers": 2, "n_heads": 3, "d_model": 12, "d_head": 4, "n_ctx": 16, "d_vocab": 30}
TOKENS = torch.randint(30, (3, 11), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def state():
    return random_state(**SIZES, seed=4)


def test_weights_go_in_and_come_out_as_they_were(state):
    found = from_state(state, 3, 1e-5).state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], weight) for name, weight in state.items())


def test_weights_that_are_not_the_models_are_refused(state):
    for wrong in (
        {name: weight for name, weight in state.items() if name != "ln_final.bias"},
        {**state, "blocks.0.mlp.in.weight": torch.zeros(1)},
        {**state, "unembed.bias": torch.zeros(29)},
    ):
        with pytest.raises(RuntimeError, match="state_dict"):
            from_state(wrong, 3, 1e-5)


def test_a_model_for_study_has_no_gradients(state):
    assert not from_state(state, 3, 1e-5)(TOKENS).requires_grad


def test_the_heads_of_a_layer_write_what_the_layer_writes(state):
    model = from_state(state, 3, 1e-5)
    residual, layer = model.residual_before(1, TOKENS), model.layers[1]
    pattern, values = layer.read(residual, [0, 1, 2])
    z = pattern @ values
    written = layer.attn.o.bias + sum(layer.write_head(z[:, head], head) for head in range(3))
    torch.testing.assert_close(residual + written, layer(residual), atol=1e-5, rtol=1e-5)


def test_two_equal_streams_stay_equal_and_are_the_plain_run(state):
    model = from_state(state, 3, 1e-5)
    clean, single = model.two_streams(0, 1, model.residual_before(0, TOKENS), torch.zeros(3, 11, 4))
    torch.testing.assert_close(model.logits(clean), model(TOKENS))
    torch.testing.assert_close(single, clean, atol=1e-5, rtol=1e-5)


def test_a_clean_run_without_a_change_ends_like_the_plain_run(state):
    model = from_state(state, 3, 1e-5)
    run = model.clean_runs(0, model.residual_before(0, TOKENS))[0]
    assert run.n_positions == 11
    last = run.last_residuals([0], torch.zeros(3, 1, 4), [4])[:, 0]
    torch.testing.assert_close(model.logits(last), model(TOKENS)[:, -1], atol=1e-4, rtol=1e-4)


def test_weights_that_do_not_fit_their_config_are_one_clear_error(model_dir, tmp_path, state):
    from safetensors.torch import save_file

    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((model_dir / name).read_bytes())
    save_file(
        {name: w for name, w in state.items() if not name.startswith("ln_final")},
        tmp_path / "model.safetensors",
    )
    with pytest.raises(PolyheadError, match=r"weights of the model .* do not fit its config.json"):
        open_model(tmp_path)
