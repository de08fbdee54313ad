"""Costs of cut edges against one full run for every row and edit, and the edits by hand."""

import itertools

import numpy as np
import pytest
import torch
from test_patching import toy

import polyhead.model.streams
from polyhead.ablation import edge_costs as module
from polyhead.ablation.edge_costs import (
    Edit,
    Fill,
    Parts,
    Question,
    changes,
    cut_only,
    edge_costs,
    keep_only,
    parts_by_class,
)
from polyhead.ablation.patching import replacement
from polyhead.attention.behaviours import Context
from polyhead.attention.edge_classes import CLASSES, class_matrix
from polyhead.model.head import Head

WINDOW, D_HEAD = 3, 4
MEAN = np.array([0.3, -1.0, 0.5, 0.2], np.float32)


EOS, INDENTS = 1, np.array([-1, -1, 4, 8, 4, *[-1] * 25])


@pytest.fixture(scope="module")
def prompts():
    drawn = np.random.default_rng(3).integers(1, 9, (3, 14)).astype(np.int32)
    drawn[:, 0] = 0
    return drawn


def contexts(prompts):
    return [Context(tokens, INDENTS[tokens], EOS, WINDOW) for tokens in prompts]


def codes_of(prompts):
    return torch.from_numpy(np.stack([class_matrix(context) for context in contexts(prompts)]))


def slow_z(pattern, values, codes, edit):
    """Return the head's output at every row, edge by edge."""
    z = torch.zeros(len(pattern), values.shape[-1])
    for i, row in enumerate(pattern):
        cut = torch.tensor([CLASSES[codes[i, j]] in edit.cut for j in range(len(row))])
        kept, gone = row * ~cut, (row * cut).sum()
        z[i] = kept @ values
        if edit.method == Fill.MEAN:
            z[i] += gone * torch.from_numpy(MEAN)
        elif edit.method == Fill.BOS:
            z[i] += gone * values[0]
        else:
            z[i] /= max(kept.sum(), 1e-3)
    return z


def slow_cost(model, tokens, head, codes, dest, edit):
    """Run the whole model up to `dest` with the head's output there replaced; read the next token there."""
    residual = model.residual_before(0, tokens[None, : dest + 1])
    for number, layer in enumerate(model.layers):
        z = layer.mix(residual)
        if number == head.layer:
            pattern, values = (
                layer.pattern(residual, [head.number])[0, 0],
                layer.values(residual, head.number)[0],
            )
            z[0, head.number, dest] = slow_z(pattern, values, codes, edit)[dest]
        residual = residual + layer.write(z)
    after = model.logits(residual)[0, dest].log_softmax(-1)[tokens[dest + 1]]
    return model(tokens[None])[0, dest].log_softmax(-1)[tokens[dest + 1]] - after


def rows_of(prompts, dests):
    rows = np.zeros(prompts.shape, bool)
    rows[:, dests] = True
    return rows


@pytest.mark.parametrize("at_once", [2, 128])
@torch.no_grad()
def test_equal_one_full_run_for_every_row_and_edit(prompts, at_once, monkeypatch):
    monkeypatch.setattr(polyhead.model.streams, "EDITS_AT_ONCE", at_once)
    monkeypatch.setattr(module, "LOGITS_AT_ONCE", at_once)
    model, heads = toy(), [Head(0, 2), Head(1, 0), Head(2, 1), Head(1, 0)]
    edits = tuple(
        edit(name, method)
        for method in Fill
        for name, edit in (
            ("induction", cut_only),
            ("previous", cut_only),
            ("duplicate", lambda n, m: keep_only([n], m)),
        )
    )
    dests = [[1, 5, 12], [4, 9], [3, 11], [2]]
    questions = [
        Question(head, rows_of(prompts, at), edits, MEAN) for head, at in zip(heads, dests, strict=True)
    ]
    questions[1].rows[1] = False
    answers = edge_costs(model, contexts(prompts), questions)
    largest = 0
    for question, answer in zip(questions, answers, strict=True):
        places = list(zip(*np.nonzero(question.rows), strict=True))
        assert answer.costs.shape == (len(places), len(edits))
        for (prompt, dest), costs in zip(places, answer.costs, strict=True):
            tokens, codes = torch.from_numpy(prompts[prompt]).long(), codes_of(prompts)[prompt]
            for edit, cost in zip(edits, costs, strict=True):
                expected = slow_cost(model, tokens, question.head, codes, dest, edit)
                assert cost == pytest.approx(float(expected), abs=1e-5)
                largest = max(largest, abs(cost))
    assert largest > 1e-2


@torch.no_grad()
def test_masses_are_those_of_the_rows(prompts):
    model, rows = toy(), rows_of(prompts, [2, 13])
    rows[:, 13] = False
    answer = edge_costs(
        model, contexts(prompts), [Question(Head(1, 1), rows, (cut_only("all", Fill.BOS),), MEAN)]
    )[0]
    pattern = model.layers[1].pattern(model.residual_before(1, torch.from_numpy(prompts).long()), [1])[:, 0]
    for prompt in range(3):
        for code in range(len(CLASSES)):
            expected = pattern[prompt, 2][codes_of(prompts)[prompt, 2] == code].sum()
            assert answer.masses[prompt, code] == pytest.approx(float(expected), abs=1e-6)


@torch.no_grad()
def test_all_classes_cut_together_are_the_ablation_of_the_whole_row(prompts):
    layer = toy().layers[1]
    residual = toy().residual_before(1, torch.from_numpy(prompts).long())
    pattern, values = layer.pattern(residual, [2])[:, 0], layer.values(residual, 2)
    for method, rows in (
        (Fill.BOS, replacement(pattern, "bos")),
        (Fill.RESCALED, replacement(pattern, "zero")),
    ):
        for prompt, codes in enumerate(codes_of(prompts)):
            parts = parts_by_class(pattern[prompt], codes, values[prompt])
            found = changes(parts, [cut_only("all", method)], torch.from_numpy(MEAN), values[prompt, 0])
            whole = (rows[prompt] - pattern[prompt]) @ values[prompt]
            torch.testing.assert_close(found[:, 0], whole, atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_edits_of_the_classes_add_up_to_that_of_the_whole_row(prompts):
    model = toy()
    residual = model.residual_before(2, torch.from_numpy(prompts[:1]).long())
    pattern, values = model.layers[2].pattern(residual, [0])[0, 0], model.layers[2].values(residual, 0)[0]
    parts = parts_by_class(pattern, codes_of(prompts[:1])[0], values)
    for method in (Fill.MEAN, Fill.BOS):
        edits = [cut_only(name, method) for name in (*CLASSES, "all")]
        found = changes(parts, edits, torch.from_numpy(MEAN), values[0])
        torch.testing.assert_close(found[:, :-1].sum(1), found[:, -1], atol=1e-5, rtol=0)


def test_what_takes_the_place_of_a_cut_class_by_hand():
    masses, outputs = torch.zeros(1, len(CLASSES)), torch.zeros(1, len(CLASSES), 1)
    masses[0, [0, 3, 4]] = torch.tensor([0.5, 0.3, 0.2])
    outputs[0, [0, 3, 4], 0] = torch.tensor([0.5, 0.6, 1.0])  # values 1, 2 and 5; z = 2.1
    edits = [cut_only("induction", method) for method in Fill] + [keep_only(["previous"], Fill.RESCALED)]
    found = changes(Parts(masses, outputs), edits, torch.tensor([3.0]), torch.tensor([1.0]))
    np.testing.assert_allclose(
        found[0, :, 0], [0.2 * 3 - 1, 0.2 * 1 - 1, 1.1 / 0.8 - 2.1, 1.1 / 0.8 - 2.1], rtol=1e-5
    )


def test_keeping_cuts_all_but_the_named_classes_and_rest():
    assert keep_only(["induction", "previous"], Fill.MEAN) == Edit(
        ("current", "open", "duplicate", "indent", "other"), Fill.MEAN
    )
    for names in itertools.combinations(CLASSES[1:], 2):
        assert set(keep_only(names, Fill.BOS).cut) == set(CLASSES) - {"rest", *names}


def test_no_rows_no_costs(prompts):
    question = Question(Head(0, 0), np.zeros(prompts.shape, bool), (cut_only("rest", Fill.BOS),), MEAN)
    done = []
    answer = edge_costs(toy(), contexts(prompts), [question], done.append)[0]
    assert answer.costs.shape == (0, 1)
    assert answer.masses.shape == (0, len(CLASSES))
    assert done == [1, 2, 3]
