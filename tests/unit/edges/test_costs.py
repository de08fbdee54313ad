"""Costs of cut edges against one full run for every row and edit, and the edits by hand."""

from itertools import combinations

import numpy as np
import pytest
import torch
from toys import random_state

import polyhead.model.attend
from polyhead.ablation import real_text
from polyhead.ablation.patching import replacement
from polyhead.attention.behaviours import Context
from polyhead.edges.classes import BEHAVIOURS_OF_MASK, CLASS_BEHAVIOURS, CLASSES, CODE_OF_MASK, mask_matrix
from polyhead.edges.costs import Fill, Question, changes, cut_only, edge_costs, keep_only
from polyhead.model.head import Head
from polyhead.model.transformer import from_state

WINDOW, EOS, INDENTS = 3, 1, np.array([-1, -1, 4, 8, 4, *[-1] * 25])
MEAN = np.array([0.3, -1.0, 0.5, 0.2], np.float32)


@pytest.fixture(scope="module")
def model():
    sizes = {"n_layers": 3, "n_heads": 3, "d_model": 16, "d_head": 4, "n_ctx": 16, "d_vocab": 30}
    return from_state(random_state(**sizes, seed=0), 3, 1e-5)


@pytest.fixture(scope="module")
def contexts():
    drawn = np.random.default_rng(3).integers(1, 9, (3, 14)).astype(np.int32)
    drawn[:, 0] = 0
    return [Context(tokens, INDENTS[tokens], EOS, WINDOW) for tokens in drawn]


def rows_of(contexts, dests):
    rows = np.zeros((len(contexts), len(contexts[0].tokens)), bool)
    rows[:, dests] = True
    return rows


def slow_z(row, values, masks, edit):
    """Return the head's output at one row, edge by edge."""
    z = torch.zeros(values.shape[-1])
    for weight, value, mask in zip(row, values, masks, strict=True):
        instead = torch.from_numpy(MEAN) if edit.fill == Fill.MEAN else values[0]
        z += weight * (instead if edit.cut[mask] else value)
    return z


def slow_cost(model, context, head, dest, edit):
    """Run the whole model up to `dest` with the head's output there replaced; read the next token there."""
    tokens = torch.from_numpy(context.tokens).long()
    masks = mask_matrix(context)[dest, : dest + 1]
    residual = model.residual_before(0, tokens[None, : dest + 1])
    for number, layer in enumerate(model.layers):
        z = layer.qkv(residual).mix()
        if number == head.layer:
            pattern, values = layer.read(residual, [head.number])
            z[0, head.number, dest] = slow_z(pattern[0, 0, dest], values[0, 0], masks, edit)
        residual = residual + layer.write(z)
    after = model.logits(residual)[0, dest].log_softmax(-1)[tokens[dest + 1]]
    return float(model(tokens[None])[0, dest].log_softmax(-1)[tokens[dest + 1]] - after)


@pytest.mark.parametrize("at_once", [2, 128])
@torch.no_grad()
def test_equal_one_full_run_for_every_row_and_edit(model, contexts, at_once, monkeypatch):
    monkeypatch.setattr(polyhead.model.attend, "VECTORS_AT_ONCE", at_once)
    monkeypatch.setattr(real_text, "LOGITS_AT_ONCE", at_once)
    edits = [cut_only(name, fill) for fill in Fill for name in ("induction", "ambiguous")]
    edits += [keep_only(["duplicate", "previous"], Fill.MEAN)]
    dests = {0: [1, 5, 12], 1: [4, 9], 2: [3, 11], 3: [2]}
    heads = [Head(0, 2), Head(1, 0), Head(2, 1), Head(1, 0)]
    rows = [rows_of(contexts, dests[place]) for place in range(4)]
    questions = [Question(head, at, tuple(edits), MEAN) for head, at in zip(heads, rows, strict=True)]
    questions[1].rows[1] = False
    largest, done = 0, []
    answers = edge_costs(model, contexts, questions, done.append)
    for question, answer in zip(questions, answers, strict=True):
        places = np.argwhere(question.rows)
        assert answer.shape == (len(places), len(edits))
        for (prompt, dest), costs in zip(places, answer, strict=True):
            expected = [slow_cost(model, contexts[prompt], question.head, dest, edit) for edit in edits]
            np.testing.assert_allclose(costs, expected, atol=1e-5)
            largest = max(largest, np.abs(costs).max())
    assert largest > 1e-2
    assert done == [1, 2, 3]


@torch.no_grad()
def test_all_cut_is_the_ablation_of_the_whole_row_and_the_classes_add_up_to_it(model, contexts):
    tokens = torch.from_numpy(np.stack([context.tokens for context in contexts])).long()
    pattern, values = (side[:, 0] for side in model.layers[1].read(model.residual_before(1, tokens), [2]))
    mean = torch.from_numpy(MEAN)
    for fill, whole in (
        (Fill.BOS, replacement(pattern, "bos") @ values),
        (Fill.MEAN, mean.expand(3, 14, -1)),
    ):
        edits = [cut_only(name, fill) for name in (*CLASSES, "all")]
        for prompt, context in enumerate(contexts):
            masks = torch.from_numpy(mask_matrix(context)).long()
            found = changes(pattern[prompt], masks, values[prompt], edits, mean)
            expected = whole[prompt] - pattern[prompt] @ values[prompt]
            torch.testing.assert_close(found[:, -1], expected, atol=1e-5, rtol=0)
            torch.testing.assert_close(found[:, :-1].sum(1), found[:, -1], atol=1e-5, rtol=0)


def test_what_takes_the_place_of_a_cut_class_by_hand():
    names = ("sink", "previous", "induction")
    of_class = [np.flatnonzero(CLASSES.index(name) == CODE_OF_MASK)[0] for name in names]
    rows, masks = torch.tensor([[0.5, 0.3, 0.2]]), torch.tensor([of_class])
    values = torch.tensor([[1.0], [2.0], [5.0]])
    edits = [cut_only("induction", fill) for fill in Fill] + [keep_only(["previous"], Fill.MEAN)]
    found = changes(rows, masks, values, edits, torch.tensor([3.0]))
    np.testing.assert_allclose(found[0, :, 0], [0.2 * (3 - 5), 0.2 * (1 - 5), 0.2 * (3 - 5)], rtol=1e-5)


def test_kept_are_the_sink_and_edges_whose_behaviours_are_all_named():
    for count in range(len(CLASS_BEHAVIOURS) + 1):
        for names in combinations(CLASS_BEHAVIOURS, count):
            cut = keep_only(names, Fill.MEAN).cut
            for mask, code in enumerate(CODE_OF_MASK):
                shown = {*np.array(CLASS_BEHAVIOURS)[BEHAVIOURS_OF_MASK[mask]]}
                kept = CLASSES[code] == "sink" or (shown and shown <= {*names})
                assert cut[mask] == (not kept)


def test_no_rows_no_costs(model, contexts):
    question = Question(Head(0, 0), rows_of(contexts, []), (cut_only("sink", Fill.BOS),), MEAN)
    assert edge_costs(model, contexts, [question])[0].shape == (0, 1)
