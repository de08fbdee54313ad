"""Decoders of transformers taken apart: every sum is held to what transformers computes."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from decoders import ARCHITECTURES, VOCABULARY, hooked, random_model
from toys import scores

from polyhead.errors import PolyheadError
from polyhead.mechanism.replacement import pattern, read_streams
from polyhead.mechanism.scores import about_means, head_inputs
from polyhead.model.attend import register
from polyhead.model.decoders import as_decoder
from polyhead.model.decomposition import decomposable, read_norm

POSITIONS = 14
"""More than the window of the sliding ones."""


def apart(kind, layer=2, dtype=torch.float32, **changes):
    """Return a random model taken apart, and the same as transformers runs it plainly."""
    plain = random_model(kind, **changes)
    ours = copy.deepcopy(plain)
    ours.set_attn_implementation(register())
    return decomposable(as_decoder(ours, kind).to("cpu", dtype), layer), plain


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def both(request):
    return apart(request.param)


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(2, VOCABULARY, (POSITIONS,), generator=torch.Generator().manual_seed(1))


def scores_before_softmax(model, layer, head, tokens):
    """Return the head's scores from the queries and keys that transformers hands its attention function."""
    sides = model.layers[layer].qkv(model.residual_before(layer, tokens[None]))
    products = sides.query[0, head] @ sides.shared(sides.key, [head])[0, 0].T
    return products * sides.scaling


@torch.inference_mode()
@pytest.mark.parametrize("kind", list(ARCHITECTURES))
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-5), (torch.float32, 1e-4)])
def test_all_pairs_together_are_the_score(kind, dtype, error, tokens):
    model, _ = apart(kind, dtype=dtype)
    for grouping in ("heads", "layers"):
        stream = model.parts(tokens, 2, grouping)
        for head in range(4):
            inputs = head_inputs(stream, model.reader(2, head))
            expected = scores_before_softmax(model, 2, head, tokens)
            by_pair = torch.einsum("aid,bjd->ijab", inputs.query, inputs.key)
            scale = 1.0 if dtype == torch.float64 else float(expected.abs().max())
            for found in (scores(inputs), by_pair.sum((-1, -2))):
                assert (found - expected).abs().max() < error * scale
            assert by_pair.abs().amax((0, 1)).max() > 0.1


@torch.inference_mode()
def test_patterns_are_those_of_transformers(both, tokens):
    model, plain = both
    _, attentions, values = hooked(plain, tokens[None])
    stream = model.parts(tokens, 2, "heads")
    for head in range(4):
        reader = model.reader(2, head)
        sides = read_streams(stream.whole, reader)
        found = pattern(sides.query, sides.key, reader.hidden(POSITIONS))
        torch.testing.assert_close(found, attentions[2][0, head], atol=1e-4, rtol=0)
        torch.testing.assert_close(sides.value, values[2][0, head], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_components_are_what_each_head_and_each_feed_forward_part_adds(both, tokens):
    model, plain = both
    stream = model.parts(tokens, 2, "heads")
    placed = ["pos"] if plain.config.model_type == "gpt2" else []
    heads = [[f"{layer}.{head}" for head in range(4)] + [f"mlp{layer}"] for layer in (0, 1)]
    assert list(stream.names) == ["embed", *placed, *heads[0], *heads[1], "bias"]
    torch.testing.assert_close(stream.parts.sum(0), stream.whole, atol=1e-4, rtol=1e-4)
    out = plain(tokens[None], output_hidden_states=True, use_cache=False).hidden_states
    torch.testing.assert_close(stream.whole, out[2][0], atol=1e-4, rtol=1e-4)
    kept = []
    blocks = next(m for m in plain.modules() if isinstance(m, torch.nn.ModuleList))
    behind = getattr(blocks[1], "post_feedforward_layernorm", blocks[1].mlp)
    handle = behind.register_forward_hook(lambda module, args, output: kept.append(output))
    plain(tokens[None], use_cache=False)
    handle.remove()
    torch.testing.assert_close(stream.parts[stream.names.index("mlp1")], kept[0][0], atol=1e-4, rtol=1e-4)
    by_layer = model.parts(tokens, 2, "layers")
    assert list(by_layer.names) == ["embed", *placed, "attn0", "mlp0", "attn1", "mlp1", "bias"]


@torch.inference_mode()
def test_means_counted_with_bias_leave_the_score_as_it_is(both, tokens):
    model, _ = both
    stream, reader = model.parts(tokens, 2, "heads"), model.reader(2, 1)
    means = torch.randn(stream.parts[:-1].shape, generator=torch.Generator().manual_seed(2))
    about = scores(head_inputs(about_means(stream, means), reader))
    expected = scores(head_inputs(stream, reader))
    assert (about - expected).abs().max() < 1e-4 * expected.abs().max()


@torch.inference_mode()
def test_a_component_taken_out_of_the_query_gives_the_pattern_of_such_a_stream(both, tokens):
    model, _ = both
    stream, reader = model.parts(tokens, 2, "heads"), model.reader(2, 1)
    changed = stream.whole - stream.parts[stream.names.index("1.2")]
    queries, keys = (read_streams(some, reader) for some in (changed, stream.whole))
    found = pattern(queries.query, keys.key, reader.hidden(POSITIONS))
    asking, asked = (model.layers[2].qkv(some[None]) for some in (changed, stream.whole))
    expected = replace(asked, query=asking.query).pattern([1])[0, 0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert (expected - asked.pattern([1])[0, 0]).abs().max() > 0.01


def test_what_an_architecture_does_besides_is_refused_by_name():
    plain = random_model("gpt2")
    plain.set_attn_implementation(register())
    model = as_decoder(plain, "gpt2")
    model.blocks[1].mlp.register_forward_hook(lambda module, args, output: output * 0.5)
    model.blocks[1].register_forward_hook(lambda module, args, output: output * 1.5)
    with pytest.raises(PolyheadError, match="GPT2LMHeadModel cannot be taken apart exactly"):
        decomposable(model, 2)


@pytest.mark.parametrize(
    "kind", [torch.nn.LayerNorm(8), torch.nn.RMSNorm(8, eps=1e-3), torch.nn.LayerNorm(8, bias=False)]
)
def test_a_norm_is_known_by_what_it_does(kind):
    with torch.no_grad():
        for parameter in kind.parameters():
            parameter += torch.randn(8, generator=torch.Generator().manual_seed(len(parameter)))
        norm, vectors = read_norm(kind), torch.randn(5, 8, generator=torch.Generator().manual_seed(3))
        torch.testing.assert_close(norm(vectors), kind(vectors), atol=1e-5, rtol=1e-4)
        parts = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(4))
        whole = parts.sum(0)
        together = (norm.linear(parts) / norm.scale(whole)).sum(0) + norm.bias
        torch.testing.assert_close(together, kind(whole), atol=1e-5, rtol=1e-4)
    assert np.isfinite(norm.eps)
