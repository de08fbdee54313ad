"""What rows need, on heads built by hand; and every number against a slow and obvious way to it."""

from functools import cache

import hand_built
import numpy as np
import pytest
import torch

from polyhead.attention.behaviours import BEHAVIOURS
from polyhead.attention.labels import Atoms, Definitions
from polyhead.attention.rows import group_rows, occurring_atoms
from polyhead.edges.classes import CLASSES
from polyhead.edges.costs import Fill, Question, cut_only, edge_costs
from polyhead.edges.survey import survey
from polyhead.mechanism.figures import needs_figure, scores_figure
from polyhead.mechanism.kinds import naming
from polyhead.mechanism.means import RunningMeans
from polyhead.mechanism.measure import Asked, find_usual, measure, nothing
from polyhead.mechanism.tables import (
    agreement_table,
    dissociations,
    needs_table,
    scores_table,
    written_table,
)
from polyhead.model.head import Head
from polyhead.stats import ratio_intervals

PROMPTS, HEAD = 24, Head(1, 0)
EARLIER = "0.0"


@cache
def asked(which="glued_head", prompts=PROMPTS, grouping="heads", head=HEAD):
    model = hand_built.model_with(getattr(hand_built, which)())
    text = hand_built.real_text(hand_built.names_and_brackets(prompts, 7))
    namings = (naming("post", 0.95), naming("edges", 0.95))
    return Asked(model, head, grouping, namings, text, 100, 0)


@cache
def usual(*which, **more):
    return find_usual(asked(*which, **more))


@cache
def found(*which, **more):
    return measure(asked(*which, **more), usual(*which, **more))


@cache
def needs(*which, **more):
    return needs_table(found(*which, **more))


def lost(table, label, component, side, taxonomy="edges"):
    """Return which share of the rows of a label are lost when a component is replaced on a side."""
    line = one(table, taxonomy=taxonomy, label=label, component=component, side=side)
    assert line["lost"] == pytest.approx(-line["difference"] / line["share_clean"], abs=1e-4)
    assert line["lost_low"] <= line["lost"] + 1e-6 <= line["lost_high"] + 2e-6 <= 1 + 1e-5
    return line["lost"]


def one(table, **names):
    """Return the only line with these names."""
    [line] = table[(table[list(names)] == list(names.values())).all(axis=1)].to_dict("records")
    return line


def test_rows_are_named_as_the_stored_rows_are():
    text, codes = asked().text, usual().codes
    contexts = list(text.contexts())
    masks = occurring_atoms(contexts)
    rows = group_rows(asked().model, [HEAD], text.prompts, contexts, masks)[HEAD]
    atoms = Atoms(rows.masses.T, masks.astype(np.int64), tuple(BEHAVIOURS))
    labels = np.asarray(Definitions(4, 0.95).labels(atoms)["post"]).reshape(PROMPTS, -1)[:, 15:-1]
    assert (np.array(asked().namings[0].labels)[codes[0]] == labels).all()
    dominating = survey(asked().model, text.contexts(), [HEAD]).dominating[0][:, 16:-1]
    assert (codes[1] == dominating).all()
    assert {"rest", "induction"} <= {CLASSES[code] for code in np.unique(codes[1]) if code < len(CLASSES)}


def test_replacing_what_the_key_is_composed_of_takes_induction_and_nothing_else():
    assert lost(needs(), "induction", EARLIER, "key") > 0.95
    others = {label for taxonomy, label in found().kinds if taxonomy == "edges"} - {"induction"}
    assert {"previous", "rest"} <= others
    for label in ("previous", "rest"):
        assert lost(needs(), label, EARLIER, "key") < 0.02
    assert abs(lost(needs(), "induction", EARLIER, "query")) < 0.02


def test_replacing_positions_in_the_query_takes_previous_and_spares_induction():
    assert lost(needs(), "previous", "pos", "query") > 0.8
    assert lost(needs(), "induction", "pos", "query") < 0.1


def test_two_inputs_that_tell_two_behaviours_apart_are_found():
    table = dissociations(needs())
    line = one(table, taxonomy="edges", first="previous", second="induction")
    assert line["second_input"] in ("embed query", f"{EARLIER} key")
    assert line["first_input"].startswith("pos")
    assert min(line["first_by_first"], line["second_by_second"]) > 0.5
    assert max(line["second_by_first"], line["first_by_second"]) <= 0.1
    assert dissociations(needs().assign(joint_high=0.1)).empty
    assert list(dissociations(needs()[:0]).columns) == list(table.columns)


def test_the_contributions_say_so_too():
    table = scores_table(found())
    total = one(table, taxonomy="edges", label="induction", query="all", key="all")
    pair = one(table, taxonomy="edges", label="induction", query="embed", key=EARLIER)
    assert pair["contribution"] > 0.9 * total["contribution"] > 1
    assert pair["low"] <= pair["contribution"] <= pair["high"]
    of_label = table[(table["taxonomy"] == "edges") & (table["label"] == "induction")]
    inner = of_label[(of_label["query"] != "all") & (of_label["key"] != "all")]
    assert inner["contribution"].sum() == pytest.approx(total["contribution"], rel=1e-4)
    key = one(of_label, query="all", key=EARLIER)["contribution"]
    assert key == pytest.approx(inner[inner["key"] == EARLIER]["contribution"].sum(), rel=1e-3)
    assert "unknown" not in set(table["label"])


def test_contributions_predict_what_is_lost_from_a_head_that_does_one_thing():
    table = agreement_table(scores_table(found("induction_head")), needs("induction_head"))
    assert one(table, taxonomy="edges", label="induction")["correlation"] > 0.5
    assert (table["inputs"] == 8).all()


@torch.inference_mode()
def slow_pattern(component, side, number):
    """Return the pattern with a component replaced by its mean, from the layer's own maps, row by row."""
    model, layer, text = asked().model, asked().model.layers[1], asked().text
    streams = [model.parts(torch.from_numpy(tokens).long(), 1, "heads") for tokens in text.prompts]
    place = streams[0].names.index(component)
    mean = torch.stack([stream.parts[place] for stream in streams]).mean(0)
    whole = streams[number].whole
    changed = whole.clone()
    changed[1:] += (mean - streams[number].parts[place])[1:]
    sides = {name: layer.ln1(changed if name == side else whole) for name in ("query", "key")}
    query = sides["query"] @ layer.attn.q.weight[: layer.d_head].T + layer.attn.q.bias[: layer.d_head]
    key = sides["key"] @ layer.attn.k.weight[: layer.d_head].T + layer.attn.k.bias[: layer.d_head]
    scores = query @ key.T / layer.d_head**0.5
    return torch.stack(
        [
            torch.cat([scores[i, : i + 1].softmax(-1), torch.zeros(len(scores) - i - 1)])
            for i in range(len(scores))
        ]
    )


@pytest.mark.parametrize(("component", "side"), [(EARLIER, "key"), ("embed", "query"), ("0.1", "key")])
def test_shares_are_those_of_patterns_recomputed_one_by_one(component, side):
    text, counts = asked().text, np.zeros(2)
    for number, context in enumerate(text.contexts()):
        pattern = slow_pattern(component, side, number)
        masses = pattern.numpy()
        for i in range(16, len(context.tokens) - 1):
            held = [
                j for j in range(1, i) if context.tokens[j - 1] == context.tokens[i] and j >= 2 and i - j > 4
            ]
            counts += [masses[i, held].sum() >= 0.5, 1]
    line = one(needs(), taxonomy="edges", label="induction", component=component, side=side)
    assert line["share"] == pytest.approx(counts[0] / counts[1], abs=1e-6)


def test_the_effect_without_replacement_is_the_cost_of_the_whole_row():
    text, of_edges = asked().text, usual().codes[1]
    rows = np.zeros(text.prompts.shape, bool)
    rows[:, 16:-1] = of_edges == CLASSES.index("induction")
    question = Question(HEAD, rows, (cut_only("all", Fill.MEAN),), usual().output.numpy())
    cost = edge_costs(asked().model, text.contexts(), [question])[0].costs.mean()
    line = one(needs(), taxonomy="edges", label="induction", component="embed", side="value")
    assert line["effect_clean"] == pytest.approx(cost, abs=1e-4)
    assert cost > 0.1


def test_values_read_from_tokens_are_worth_little_without_the_tokens():
    by_component = {
        name: one(needs(), taxonomy="edges", label="induction", component=name, side="value")
        for name in ("embed", EARLIER, "0.1")
    }
    assert by_component["embed"]["effect"] < 0.5 * by_component["embed"]["effect_clean"]
    assert by_component["embed"]["high"] < 0
    assert by_component["0.1"]["difference"] == pytest.approx(0, abs=1e-3)


def test_a_head_that_copies_adds_to_the_token_it_attends_to_and_to_the_next():
    table = written_table(found("induction_head"))
    for quantity in ("attended", "next"):
        line = one(table, taxonomy="edges", label="induction", quantity=quantity)
        assert line["low"] > 0.3
        assert line["logit"] - line["visible"] == pytest.approx(line["difference"], abs=1e-4)


def test_layers_are_heads_together():
    by_layer = needs(grouping="layers")
    assert set(by_layer["component"]) == {"embed", "pos", "attn0"}
    assert lost(by_layer, "induction", "attn0", "key") > 0.95


def test_a_head_in_the_lowest_layer_reads_embeddings_alone():
    table = needs(head=Head(0, 0))
    assert set(table["component"]) == {"embed", "pos"}
    assert lost(table, "previous", "pos", "query") > 0.8
    pair = one(
        scores_table(found(head=Head(0, 0))), taxonomy="edges", label="previous", query="pos", key="pos"
    )
    assert pair["contribution"] > 10


def test_prompts_without_a_row_that_counts_give_empty_tables():
    short = hand_built.real_text(hand_built.names_and_brackets(2, 0)[:, :17])
    few = Asked(asked().model, HEAD, "heads", asked().namings, short, 20, 0)
    for found in (measure(few, find_usual(few)), nothing()):
        for table in (scores_table(found), needs_table(found), written_table(found)):
            assert table.empty
            assert "documents" in table.columns
        assert agreement_table(scores_table(found), needs_table(found)).empty
        assert dissociations(needs_table(found)).empty
        assert needs_figure(needs_table(found)).texts
        assert scores_figure(scores_table(found)).texts


def test_running_means_are_those_of_all_rows_at_once():
    rng = np.random.default_rng(3)
    documents, kinds = np.sort(rng.integers(0, 90, 500)), rng.integers(0, 2, 500)
    values = rng.normal(size=(500, 3)).astype(np.float32)
    running = RunningMeans(2, 3, 90, 200, 1)
    for part in np.array_split(np.arange(500), 7):
        running.add(documents[part], kinds[part], values[part])
    found = running.estimates()

    for kind in range(2):
        some = kinds == kind
        np.testing.assert_allclose(found.means[kind], values[some].mean(0), atol=1e-5)
        sums, ones = np.zeros((90, 3)), np.zeros((90, 3))
        np.add.at(sums, documents[some], values[some])
        np.add.at(ones, documents[some], 1)
        np.testing.assert_allclose(found.intervals()[:, kind], ratio_intervals(sums, ones, 200, 1), atol=1e-5)
    assert found.rows.tolist() == np.bincount(kinds).tolist()
    few = RunningMeans(1, 1, 90, 50, 1)
    few.add(documents[:60], np.zeros(60, int), values[:60, :1])
    assert np.isnan(few.estimates().intervals()).all()
    assert np.isnan(few.estimates().joint()).all()
    assert (found.joint()[0] < found.intervals()[0]).all()
