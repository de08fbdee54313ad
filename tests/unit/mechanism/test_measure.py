"""What rows need, on heads built by hand; and every number against a slow and obvious way to it."""

from functools import cache

import hand_built
import numpy as np
import pytest

from polyhead.edges.classes import CLASSES, NO_CLASS
from polyhead.edges.survey import survey
from polyhead.mechanism.figures import needs_figure, scores_figure
from polyhead.mechanism.measure import mechanism
from polyhead.model.head import Head

PROMPTS, HEAD = 24, Head(1, 0)
EARLIER = "0.0"


@cache
def model(which="glued_head"):
    return hand_built.model_with(getattr(hand_built, which)())


@cache
def text(prompts=PROMPTS):
    return hand_built.real_text(hand_built.names_and_brackets(prompts, 7))


@cache
def found(which="glued_head", components="heads", head=HEAD):
    return mechanism(model(which), head, text(), components, n_resamples=100, seed=0)


def one(table, **names):
    """Return the only line with these names."""
    [line] = table[(table[list(names)] == list(names.values())).all(axis=1)].to_dict("records")
    return line


def lost(edges, component, side, **which):
    """Return which share of the rows of a class are lost when a component is replaced on a side."""
    line = one(found(**which).needs, edges=edges, component=component, side=side)
    assert line["share_low"] <= line["share"] + 1e-6 <= line["share_high"] + 2e-6
    return 1 - line["share"] / line["share_clean"]


def test_clean_shares_are_those_of_the_survey():
    counts = np.bincount(survey(model(), text().contexts(), [HEAD]).dominating[0][:, 16:-1].ravel())
    shares = dict(zip((*CLASSES, NO_CLASS), counts / counts.sum(), strict=False))
    clean = found().needs.groupby("edges")["share_clean"].first()
    assert dict(clean) == pytest.approx({name: share for name, share in shares.items() if share >= 0.01})
    assert {CLASSES[0], "induction", "previous"} <= set(clean.index)


def test_replacing_what_the_key_is_composed_of_takes_induction_and_nothing_else():
    assert lost("induction", EARLIER, "key") > 0.95
    for edges in ("previous", CLASSES[0]):
        assert lost(edges, EARLIER, "key") < 0.02
    assert abs(lost("induction", EARLIER, "query")) < 0.02


def test_replacing_positions_in_the_query_takes_previous_and_spares_induction():
    assert lost("previous", "pos", "query") > 0.8
    assert lost("induction", "pos", "query") < 0.1
    assert lost("previous", "pos", "query", head=Head(0, 0)) > 0.8


def test_the_contributions_say_so_too():
    table = found().scores
    total = one(table, edges="induction", query="all", key="all")
    pair = one(table, edges="induction", query="embed", key=EARLIER)
    assert pair["contribution"] > 0.9 * total["contribution"] > 1
    assert pair["contribution_low"] <= pair["contribution"] <= pair["contribution_high"]
    of_class = table[table["edges"] == "induction"]
    inner = of_class[(of_class["query"] != "all") & (of_class["key"] != "all")]
    assert inner["contribution"].sum() == pytest.approx(total["contribution"], rel=1e-4)
    key = one(of_class, query="all", key=EARLIER)["contribution"]
    assert key == pytest.approx(inner[inner["key"] == EARLIER]["contribution"].sum(), rel=1e-3)
    assert NO_CLASS not in set(table["edges"])
    lowest = one(found(head=Head(0, 0)).scores, edges="previous", query="pos", key="pos")
    assert lowest["contribution"] > 10


def test_layers_are_heads_together():
    assert set(found(components="layers").needs["component"]) == {"embed", "pos", "attn0"}
    assert lost("induction", "attn0", "key", components="layers") > 0.95


def test_prompts_without_a_row_that_counts_give_empty_tables():
    short = hand_built.real_text(hand_built.names_and_brackets(2, 0)[:, :17])
    tables = mechanism(model(), HEAD, short, n_resamples=20, seed=0)
    assert tables.scores.empty
    assert tables.needs.empty
    assert list(tables.scores.columns) == list(found().scores.columns)
    assert list(tables.needs.columns) == list(found().needs.columns)
    assert needs_figure(tables.needs).texts
    assert scores_figure(tables.scores, tables.needs).texts


def test_few_documents_have_no_interval():
    tables = mechanism(model(), HEAD, text(6), n_resamples=20, seed=0)
    assert tables.needs["share_low"].isna().all()
    assert tables.scores["contribution"].notna().all()
