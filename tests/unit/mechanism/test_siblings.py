"""Siblings of a head: on two heads built alike, and every joint cost against plain runs one by one."""

import copy

import hand_built
import numpy as np
import pytest
import torch
from decoders import VOCABULARY, output_matrices, random_model

from polyhead.ablation.edge_costs import Fill
from polyhead.mechanism.kinds import naming, speaks
from polyhead.mechanism.siblings import (
    FILLS,
    MOST_SIBLINGS,
    Halves,
    costs_together,
    joint_costs,
    name_rows,
    shared_rows,
)
from polyhead.model.attend import register
from polyhead.model.decoders import as_decoder
from polyhead.model.head import Head, all_heads
from polyhead.model.transformer import from_state

HEAD, TWIN, IDLE, BEFORE = Head(1, 0), Head(1, 1), Head(1, 2), Head(0, 0)
DRAWS, SEED = 100, 0


def model_of(*heads):
    """Return the model whose second layer has the heads given, and idle ones below."""
    eye = torch.eye(hand_built.D_MODEL)
    below = [hand_built.looks_before(), *[hand_built.idle()] * (len(heads) - 1)]
    state = {
        "embed.weight": eye[: hand_built.WORDS],
        "pos_embed.weight": eye[hand_built.PLACE : hand_built.BEFORE],
    }
    state |= hand_built.layer_state(0, below) | hand_built.layer_state(1, heads)
    for norm in ("blocks.0.ln1", "blocks.1.ln1", "ln_final"):
        width = hand_built.D_MODEL
        state |= {f"{norm}.weight": torch.ones(width), f"{norm}.bias": torch.zeros(width)}
    state |= {"unembed.weight": eye[hand_built.OUT :], "unembed.bias": torch.zeros(hand_built.WORDS)}
    return from_state(state, len(heads), hand_built.EPS)


def text(prompts=60):
    """Return prompts that repeat nine words, drawn anew for each: what followed a word follows it again."""
    rng = np.random.default_rng(5)
    drawn = np.full((prompts, hand_built.CONTEXT), hand_built.BOS, np.int32)
    for tokens in drawn:
        cycle = rng.choice(np.arange(2, hand_built.WORDS), 9, replace=False)
        tokens[1:] = np.resize(cycle, hand_built.CONTEXT - 1)
    return hand_built.real_text(drawn)


def tables(model, text, head=HEAD):
    named = name_rows(model, text, (naming("post", 0.95), naming("edges", 0.95)))
    halves = Halves.drawn(text.clusters.documents, SEED)
    kinds, shared = shared_rows(named, head, halves, DRAWS, SEED)
    return shared, costs_together(model, text, named, head, kinds, halves, n_resamples=DRAWS, seed=SEED)


def one(table, **names):
    [line] = table[(table[list(names)] == list(names.values())).all(axis=1)].to_dict("records")
    return line


@pytest.fixture(scope="module")
def twins():
    heads = hand_built.induction_head(), hand_built.induction_head(), hand_built.idle()
    return tables(model_of(*heads), text())


def test_a_twin_shares_all_rows_and_is_chosen_and_others_are_not(twins):
    shared, _ = twins
    twin = one(shared, taxonomy="edges", label="induction", head=str(TWIN))
    assert twin["chosen"]
    assert (twin["share_chosen_on"], twin["share"], twin["low"], twin["high"]) == (1, 1, 1, 1)
    for other in (IDLE, BEFORE):
        line = one(shared, taxonomy="edges", label="induction", head=str(other))
        assert not line["chosen"]
        assert line["share"] == line["share_of_all"] == 0
    assert str(HEAD) not in set(shared["head"])
    assert set(shared["label"]) == {"induction", "previous+induction"}


def logit_of(answer, resting):
    """Return the log probability of a word that heads wrote so often, beside BOS, by hand.

    The final stream holds three ones (token, place, token before) and what was written; its norm takes mean
    and deviation out.
    """
    stream = np.zeros(hand_built.D_MODEL)
    stream[:3], stream[-1], stream[-2] = 1, answer, resting
    normed = (stream - stream.mean()) / np.sqrt(stream.var() + hand_built.EPS)
    logits = normed[-hand_built.WORDS :]
    return logits[-1] - np.log(np.exp(logits).sum())


def test_heads_that_stand_in_for_each_other_cost_more_together_than_each(twins):
    _, costs = twins
    found = {
        line["ablated"]: line
        for line in costs[
            (costs["taxonomy"] == "edges") & (costs["label"] == "induction") & (costs["method"] == Fill.BOS)
        ].to_dict("records")
    }
    assert list(found) == [str(HEAD), str(TWIN), "sum", "together", "beyond"]
    alone = logit_of(2, 0) - logit_of(1, 1)
    together = logit_of(2, 0) - logit_of(0, 2)
    wanted = {
        str(HEAD): alone,
        str(TWIN): alone,
        "sum": 2 * alone,
        "together": together,
        "beyond": together - 2 * alone,
    }
    assert {name: line["cost"] for name, line in found.items()} == pytest.approx(wanted, abs=2e-3)
    assert found["beyond"]["low"] > 5
    assert found["beyond"]["siblings"] == str(TWIN)
    by_mean = one(costs, taxonomy="edges", label="induction", method=Fill.MEAN, ablated="beyond")
    assert by_mean["low"] > 1
    assert by_mean["measured"] == 300 < by_mean["rows"]


def test_a_sibling_that_writes_nothing_adds_nothing():
    query, key, value, output = hand_built.induction_head()
    silent = query, key, value, torch.zeros_like(output)
    _, costs = tables(model_of(hand_built.induction_head(), silent), text())
    for method in FILLS:
        about = {"taxonomy": "edges", "label": "induction", "method": method}
        assert one(costs, **about, ablated="beyond")["cost"] == pytest.approx(0, abs=1e-5)
        assert one(costs, **about, ablated=str(TWIN))["cost"] == pytest.approx(0, abs=1e-5)
        assert one(costs, **about, ablated="together")["cost"] > 1


def test_without_siblings_the_head_stands_alone():
    shared, costs = tables(model_of(hand_built.induction_head(), hand_built.uniform_head()), text())
    assert not shared["chosen"].any()
    assert set(costs["ablated"]) == {str(HEAD)}
    assert (costs["siblings"] == "").all()
    assert (costs["low"] <= costs["cost"]).all()


def test_no_more_siblings_than_said_the_nearest_first():
    heads = [hand_built.induction_head() for _ in range(MOST_SIBLINGS + 3)]
    shared, costs = tables(model_of(*heads), text(30))
    chosen = shared[shared["chosen"] & (shared["taxonomy"] == "edges")]
    assert list(chosen["head"]) == [f"1.{number}" for number in range(1, MOST_SIBLINGS + 1)]
    assert set(costs["siblings"]) == {"+".join(chosen["head"])}


def test_siblings_are_chosen_on_other_documents_than_they_are_measured_on():
    documents = text(40).clusters.documents
    halves = Halves.drawn(documents, 3)
    of_document = [set(halves.measuring[documents == document]) for document in range(40)]
    assert all(len(sides) == 1 for sides in of_document)
    assert sum(True in sides for sides in of_document) == 20
    shared, costs = tables(model_of(hand_built.induction_head(), hand_built.idle()), text(40))
    line = one(shared, taxonomy="edges", label="induction", head="1.1")
    assert line["documents"] == 20
    assert one(costs, taxonomy="edges", label="induction", method="mean", ablated="1.0")["documents"] == 20


def test_prompts_without_a_row_that_counts_give_empty_tables():
    short = hand_built.real_text(hand_built.names_and_brackets(2, 0)[:, :17])
    for table in tables(model_of(hand_built.induction_head()), short):
        assert table.empty
        assert "documents" in table.columns


def test_resting_and_what_has_no_name_are_no_behaviours():
    labels = ("rest", "current", "inactive", "bos+eos", "unknown", "none", "other", "open")
    assert not any(map(speaks, labels))
    assert all(map(speaks, ("previous", "previous+induction", "bos+induction", "indent")))


@torch.inference_mode()
def plain_cost(model, tokens, heads, dest, fill, means):
    """Return the cost of replacing what heads mix at one destination, in a run of its own."""

    def run(heads):
        stream = model.residual_before(0, tokens[None])
        for depth, layer in enumerate(model.layers):
            z = layer.mix(stream).clone()
            for head in heads:
                if head.layer == depth:
                    instead = z[0, head.number, 0] if fill == Fill.BOS else means[head]
                    z[0, head.number, dest] = instead
            stream = stream + layer.write(z)
        return model.logits(stream[0, dest]).log_softmax(-1)[tokens[dest + 1]]

    return float(run([]) - run(heads))


def test_joint_costs_are_those_of_plain_runs():
    from toys import random_state

    model = from_state(random_state(3, 3, 24, 8, 40, 50, 4), 3, 1e-5)
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(2, 50, (40,), generator=generator)
    means = {head: torch.randn(8, generator=generator) for head in all_heads(3, 3)}
    groups = [{Head(0, 1)}, {Head(0, 0), Head(2, 1)}, {Head(1, 0), Head(1, 2), Head(2, 2)}, {Head(2, 0)}]
    group, dests = torch.tensor([0, 0, 1, 1, 2, 2, 3]), torch.tensor([3, 30, 17, 4, 38, 20, 20])
    found = joint_costs(model, tokens, [frozenset(some) for some in groups], group, dests, means)
    for place, (of, dest) in enumerate(zip(group.tolist(), dests.tolist(), strict=True)):
        for number, fill in enumerate(FILLS):
            cost = plain_cost(model, tokens, groups[of], dest, fill, means)
            assert float(found[place, number]) == pytest.approx(cost, abs=1e-5)


@torch.inference_mode()
def hooked_cost(plain, tokens, heads, dest, means):
    """Return the cost of putting the means of heads in their place at one destination, by hooks."""

    def edit(layer):
        def hook(module, args):
            z = args[0].clone()
            for head in (head for head in heads if head.layer == layer):
                width = len(means[head])
                z[:, dest, head.number * width : (head.number + 1) * width] = means[head]
            return (z,)

        return hook

    def run():
        return plain(tokens[None], use_cache=False).logits[0, dest].log_softmax(-1)[tokens[dest + 1]]

    before = run()
    hooks = [m.register_forward_pre_hook(edit(layer)) for layer, m in enumerate(output_matrices(plain))]
    after = run()
    for hook in hooks:
        hook.remove()
    return float(before - after)


@pytest.mark.parametrize("kind", ["gpt2", "gemma3_text"])
def test_joint_costs_of_decoders_are_those_of_hooks(kind):
    plain = random_model(kind)
    ours = copy.deepcopy(plain)
    ours.set_attn_implementation(register())
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(2, VOCABULARY, (14,), generator=generator)
    width = output_matrices(plain)[0].weight.numel() // 32 // 4
    means = {head: torch.randn(width, generator=generator) for head in all_heads(3, 4)}
    groups = [{Head(0, 1), Head(0, 2), Head(2, 3)}, {Head(1, 0), Head(2, 1)}]
    group, dests = torch.tensor([0, 1, 1]), torch.tensor([9, 12, 5])
    model = as_decoder(ours, kind)
    found = joint_costs(model, tokens, [frozenset(some) for some in groups], group, dests, means)[:, 0]
    for place, (of, dest) in enumerate(zip(group.tolist(), dests.tolist(), strict=True)):
        cost = hooked_cost(plain, tokens, groups[of], dest, means)
        assert float(found[place]) == pytest.approx(cost, abs=1e-3, rel=1e-4)
        assert abs(cost) > 0.01
