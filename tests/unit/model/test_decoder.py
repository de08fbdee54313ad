"""Decoders of transformers through the one attention function, held to plain hooks, run by run."""

import copy

import numpy as np
import pytest
import torch
from decoders import ARCHITECTURES, SLIDING, VOCABULARY, WINDOW, hooked, random_model

from polyhead.ablation.patching import Method, ablate, replacement, without_edge
from polyhead.ablation.real_text import single_position_effects
from polyhead.ablation.tasks import drops_of_heads
from polyhead.attention.behaviours import Context
from polyhead.attention.rows import patterns
from polyhead.edges.classes import FIRST, mask_matrix
from polyhead.edges.costs import Fill, Question, cut_only, edge_costs, keep_only
from polyhead.edges.survey import survey
from polyhead.errors import PolyheadError
from polyhead.model.attend import register
from polyhead.model.decoders import as_decoder
from polyhead.model.head import Head
from polyhead.model.opening import to_device
from polyhead.prompts.templates import Task

POSITIONS = 14
EXACT = {"atol": 1e-5, "rtol": 0}


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def both(request):
    """The same weights as a study runs them, and as transformers does."""
    plain = random_model(request.param)
    ours = copy.deepcopy(plain)
    ours.set_attn_implementation(register())
    return as_decoder(ours, request.param), plain


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(2, VOCABULARY, (3, POSITIONS), generator=torch.Generator().manual_seed(1))


def test_it_knows_its_sizes(both):
    model, _ = both
    assert (model.n_layers, model.n_heads, model.n_context) == (3, 4, 128)


@torch.inference_mode()
def test_logits_and_patterns_are_those_of_transformers(both, tokens):
    model, plain = both
    logits, attentions, values = hooked(plain, tokens)
    found = model.logits(model.residual_before(3, tokens))
    assert (found - logits).abs().max() <= 1e-5 * logits.abs().max()
    heads = [(2, 3), (0, 1), (0, 0), (1, 2)]
    expected = torch.stack([attentions[layer][:, head] for layer, head in heads], 1)
    torch.testing.assert_close(patterns(model, heads, tokens), expected, **EXACT)
    pattern, of_heads = model.layers[1].read(model.residual_before(1, tokens), [3, 0])
    torch.testing.assert_close(pattern, attentions[1][:, [3, 0]], **EXACT)
    torch.testing.assert_close(of_heads, values[1][:, [3, 0]], **EXACT)


def test_no_layer_above_the_head_runs(both, tokens):
    model, _ = both
    ran = []
    hooks = [
        block.mlp.register_forward_hook(lambda *_, number=number: ran.append(number))
        for number, block in enumerate(model.blocks)
    ]
    patterns(model, [(1, 0)], tokens)
    for hook in hooks:
        hook.remove()
    assert ran == [0]  # of the head's own layer, not even what is behind its attention


@torch.inference_mode()
def test_what_a_window_hides_has_no_mass(both, tokens):
    model, _ = both
    sliding = SLIDING.get(model.model.config.model_type, ())
    far = torch.arange(POSITIONS)[:, None] - torch.arange(POSITIONS) >= WINDOW
    for layer in range(3):
        mass = patterns(model, [(layer, 1)], tokens)[:, 0][:, far]
        assert (mass == 0).all() == (layer in sliding)
    found, (_, attentions, _) = patterns(model, [(2, 1)], tokens), hooked(both[1], tokens)
    torch.testing.assert_close(found[:, 0], attentions[2][:, 1], **EXACT)


@torch.inference_mode()
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_every_ablation_at_every_position_of_a_task(both, tokens, layer, monkeypatch):
    monkeypatch.setattr("polyhead.ablation.patching.CHANGED_AT_ONCE", 100)  # several at a time
    model, plain = both
    donors = tokens.flip(0)
    given = hooked(plain, donors)[1][layer][:, 2]
    answers = hooked(plain, tokens)[0][:, -1].argmax(-1)
    moved = 0.0
    for method in Method:
        outcome = ablate(model, tokens, answers, Head(layer, 2), method, donors=donors)
        for dest in range(1, POSITIONS, 3 if method == Method.BOS else 6):

            def rows(pattern, method=method):
                return replacement(pattern, method, given)

            last = hooked(plain, tokens, layer, 2, dest, rows)[0][:, -1].softmax(-1)
            expected = last.gather(1, answers[:, None])[:, 0]
            torch.testing.assert_close(outcome.probability[:, dest], expected, **EXACT)
        moved = max(moved, float((outcome.probability[:, 1:] - outcome.probability[:, :1]).abs().max()))
    assert moved > 1e-3


@torch.inference_mode()
def test_one_edge(both, tokens):
    model, plain = both
    answers = hooked(plain, tokens)[0][:, -1].argmax(-1)

    def rows(pattern):
        return without_edge(pattern, 9)

    outcome = ablate(model, tokens, answers, Head(1, 3), rows, destinations=[11])
    last = hooked(plain, tokens, 1, 3, 11, rows)[0][:, -1].softmax(-1)
    torch.testing.assert_close(outcome.probability[:, 1], last.gather(1, answers[:, None])[:, 0], **EXACT)


@torch.inference_mode()
@pytest.mark.parametrize("dest", [11, POSITIONS - 1])
def test_any_head_at_the_destination_of_a_task(both, tokens, dest):
    model, plain = both
    logits, attentions, _ = hooked(plain, tokens)
    answers = logits[:, -1].argmax(-1)
    task = Task("toy", "Toy", ["previous"], dest, 9, [], tokens.numpy(), answers.numpy())
    drops, attention = drops_of_heads(model, task)
    for head, prompt in np.random.default_rng(dest).integers((12, 3), size=(10, 2)):
        layer, number = divmod(int(head), 4)
        edited = hooked(plain, tokens, layer, number, dest, lambda rows: replacement(rows, "bos"))[0]
        clean, after = (one[prompt, -1].softmax(-1)[answers[prompt]] for one in (logits, edited))
        assert drops[prompt, head] == pytest.approx(float(clean - after), abs=1e-4)
        weight = attentions[layer][prompt, number, dest, 9].item()
        assert attention[prompt, head] == pytest.approx(weight, abs=1e-5)
    assert np.abs(drops).max() > 1e-3


@torch.inference_mode()
@pytest.mark.parametrize("layer", [0, 2])
def test_effects_on_real_text_are_one_edited_run_per_destination(both, tokens, layer):
    model, plain = both
    before, delta, _ = single_position_effects(model, tokens, layer, 1)

    def read(logits, dest):
        return logits[:, dest].log_softmax(-1).gather(1, tokens[:, dest + 1, None])[:, 0]

    logits = hooked(plain, tokens)[0]
    for dest in range(1, POSITIONS - 1):
        edited = hooked(plain, tokens, layer, 1, dest, lambda rows: replacement(rows, "bos"))[0]
        torch.testing.assert_close(before[:, dest - 1], read(logits, dest), **EXACT)
        change = read(edited, dest) - read(logits, dest)
        torch.testing.assert_close(delta[:, dest - 1], change, atol=2e-5, rtol=1e-5)
    assert delta.abs().max() > 1e-3


def d_head(model):
    """Return how long a head's vectors are."""
    return model.outputs[0].weight.numel() // 32 // 4


def context(length=40):
    """Return a text with repetitions, in which several classes of edges occur."""
    rng = np.random.default_rng(3)
    tokens = rng.choice(np.arange(2, 14), length)
    tokens[0] = 0
    return Context(tokens, np.full(length, -1), 1, 3)


@torch.inference_mode()
def test_costs_of_edges_are_one_edited_run_each(both):
    model, plain = both
    text, mean = context(), np.random.default_rng(1).normal(size=d_head(model)).astype(np.float32)
    tokens, masks = torch.from_numpy(text.tokens).long(), mask_matrix(text)
    edits = (*(cut_only("previous", fill) for fill in Fill), keep_only(["duplicate"], Fill.MEAN))
    places = {Head(0, 3): [17, 38], Head(1, 1): [20], Head(2, 0): [18, 30]}
    questions = []
    for head, dests in places.items():
        rows = np.zeros((1, len(tokens)), bool)
        rows[0, dests] = True
        questions.append(Question(head, rows, edits, mean))
    largest = 0.0
    for question, answer in zip(questions, edge_costs(model, [text], questions), strict=True):
        for row, dest in enumerate(places[question.head]):
            for place, edit in enumerate(edits):
                cut = torch.from_numpy(edit.cut[masks[dest]]) & (torch.arange(len(tokens)) <= dest)
                cost = hooked_cost(plain, tokens, question.head, dest, cut, edit.fill, mean)
                assert answer[row, place] == pytest.approx(cost, abs=2e-5)
                largest = max(largest, abs(cost))
    assert largest > 1e-2


def hooked_cost(plain, tokens, head, dest, cut, fill, mean):
    """Return what one edit costs, from two runs of transformers."""
    logits, attentions, values = hooked(plain, tokens[None])
    row, of_head = attentions[head.layer][0, head.number, dest], values[head.layer][0, head.number]
    mass, z = (row * cut).sum(), (row * ~cut) @ of_head
    filled = {Fill.MEAN: z + mass * torch.from_numpy(mean), Fill.BOS: z + mass * of_head[0]}
    edited = hooked(plain, tokens[None], head.layer, head.number, dest, instead=filled[fill][None])[0]
    clean, after = (one[0, dest].log_softmax(-1)[tokens[dest + 1]] for one in (logits, edited))
    return float(clean - after)


@torch.inference_mode()
def test_mean_outputs_of_the_survey(both):
    model, plain = both
    text, heads = context(), [Head(0, 1), Head(2, 3)]
    found = survey(model, [text], heads)
    _, attentions, values = hooked(plain, torch.from_numpy(text.tokens).long()[None])
    for head in heads:
        z = attentions[head.layer][0, head.number] @ values[head.layer][0, head.number]
        np.testing.assert_allclose(found.mean_of(head), z[FIRST:].mean(0), atol=1e-5)


@torch.inference_mode()
def test_the_heads_of_a_layer_write_what_their_output_matrix_returns(both, tokens):
    model, _ = both
    layer = model.layers[1]
    pattern, values = layer.read(model.residual_before(1, tokens), [0, 1, 2, 3])
    z = pattern @ values
    written = sum(layer.write_head(z[:, head], head) for head in range(4))
    flat = z.transpose(1, 2).flatten(-2)
    expected = model.outputs[1](flat) - model.outputs[1](torch.zeros_like(flat))
    torch.testing.assert_close(written, expected, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_many_edits_run_in_parts_and_come_out_the_same(both, monkeypatch):
    model, _ = both
    text = context()
    rows = np.zeros((1, len(text.tokens)), bool)
    rows[0, FIRST:-1] = True
    edits = cut_only("all", Fill.BOS), cut_only("previous", Fill.MEAN)
    question = Question(Head(0, 2), rows, edits, np.zeros(d_head(model), np.float32))
    whole = edge_costs(model, [text], [question])[0]
    monkeypatch.setattr("polyhead.model.protocol.EDITS_AT_ONCE", 7)
    monkeypatch.setattr("polyhead.model.decoder.CALLS_KEPT", 2)
    monkeypatch.setattr("polyhead.model.attend.VECTORS_AT_ONCE", 3)
    np.testing.assert_allclose(edge_costs(model, [text], [question])[0], whole, atol=1e-5)


@torch.inference_mode()
def test_a_copy_in_bfloat16_has_patterns_in_float32(both, tokens):
    model, _ = both
    half = to_device(model, "cpu", "bfloat16")
    found = patterns(half, [(1, 1)], tokens)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.sum(-1), torch.ones_like(found[..., 0]))
    assert model.model.dtype == torch.float32


REFUSED = {
    "bloom": (
        {"hidden_size": 32, "n_layer": 2, "n_head": 4},
        "does not go through transformers' attention interface",
    ),
    "mamba": (
        {"hidden_size": 32, "num_hidden_layers": 2},
        "does not go through transformers' attention interface",
    ),
    "bert": (
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48},
        "lets a destination see what comes after it; an encoder",
    ),
    "gpt_oss": (  # its rows have a sink beside the sources
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
        | {"head_dim": 8, "intermediate_size": 48, "num_local_experts": 4},
        "its logits differ by",
    ),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_an_architecture_that_would_be_measured_wrongly_is_refused_by_name(kind):
    sizes, words = REFUSED[kind]
    model = random_model(kind, vocab_size=VOCABULARY, **sizes)
    model.set_attn_implementation(register())
    with pytest.raises(PolyheadError, match=rf"model x, architecture {type(model).__name__}: .*{words}"):
        as_decoder(model, "x")


def test_positions_that_depend_on_the_length_of_the_text_are_refused():
    model = random_model(
        "llama", rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    )
    model.set_attn_implementation(register())
    with pytest.raises(
        PolyheadError, match=r"its rotary positions \(dynamic\) depend on the length of the text"
    ):
        as_decoder(model, "x")


def test_a_model_whose_heads_say_nothing_is_refused():
    model = random_model("llama")
    model.model.layers[0].self_attn.o_proj.weight.data.zero_()
    model.set_attn_implementation(register())
    with pytest.raises(PolyheadError, match=r"another pattern of head 0\.0 does not change the logits"):
        as_decoder(model, "x")
