"""Controls that can refute a verdict: heads that are known by construction keep it, or lose it."""

from dataclasses import replace

import hand_built
import numpy as np
import pytest
from hand_built import COPIED, FOLLOWERS
from tokenizers import Tokenizer, models

from polyhead.ablation.edge_profile import profile_heads
from polyhead.ablation.rivals import LINE_START, chance_table, line_start_table
from polyhead.model.head import Head
from polyhead.model.vocabulary import Vocabulary

GLUED = Head(1, 0)


@pytest.fixture(scope="module")
def model():
    return hand_built.model_with(hand_built.glued_head())


def text(newlines=()):
    """Return the glued head's text; some of its words are newlines."""
    words = {"\n" * (1 + i) if i in newlines else f"w{i}": i for i in range(hand_built.WORDS)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    vocabulary = Vocabulary(tokenizer, hand_built.BOS, hand_built.EOS, hand_built.EOS)
    return replace(hand_built.real_text(hand_built.names_and_brackets(60, 3)), vocabulary=vocabulary)


def judged(model, newlines=()):
    table = line_start_table(model, [GLUED], text(newlines), n_resamples=100, seed=0)
    assert set(table["head"]) == {str(GLUED)}
    return table.set_index("edges")


def test_without_newlines_every_number_is_that_of_the_verdict(model):
    table = judged(model)
    profile = profile_heads(model, [GLUED], text(), n_resamples=100, seed=0).costs.set_index("edges")
    assert table.loc[LINE_START, "rows"] == 0
    assert table.loc[["previous", "induction"], "answer"].tolist() == ["yes", "yes"]
    same = ["rows", "documents", "share", "cost", "low", "high", "bos", "measured"]
    np.testing.assert_allclose(
        table.loc[["previous", "induction"], same].astype(float),
        profile.loc[["previous", "induction"], same].astype(float),
        rtol=1e-5,
    )


def test_what_always_stood_at_the_start_of_the_line_is_lost_to_it(model):
    """The token before every bracket opens its line here, so nothing is left to *previous*."""
    table = judged(model, newlines=COPIED)
    assert table.loc["previous", "rows"] == 0
    assert table["answer"][[LINE_START, "previous", "induction"]].tolist() == ["yes", "no", "yes"]
    assert table.loc[LINE_START, "cost"] > 0.5


def test_newlines_that_nothing_attends_to_take_nothing(model):
    plain, beside = judged(model), judged(model, newlines=hand_built.NAMES)
    assert beside.loc[LINE_START, "share"] < 0.01
    assert beside["answer"][["previous", "induction"]].tolist() == ["yes", "yes"]
    assert beside.loc["induction", "rows"] == plain.loc["induction", "rows"]


def test_newlines_further_back_than_the_start_of_the_line_are_no_rival(model):
    """Induction attends to followers here; the last one before a name belongs to another name."""
    plain, beside = judged(model), judged(model, newlines=FOLLOWERS)
    assert beside.loc["induction", "rows"] == plain.loc["induction", "rows"]
    assert beside["answer"][["previous", "induction"]].tolist() == ["yes", "yes"]


def test_chance_gives_an_induction_head_nothing_beside_the_copy(model):
    table = chance_table(model, [GLUED], text(), n_resamples=100, seed=0).set_index("offset")
    profile = profile_heads(model, [GLUED], text(), n_resamples=100, seed=0).costs.set_index("edges")
    assert table.loc[1, "rows"] == profile.loc["induction", "rows"]
    assert table.loc[1, "low"] < table.loc[1, "share"] < table.loc[1, "high"]
    assert table["rows"].drop(1).max() < 0.05 * table.loc[1, "rows"]


def test_prompts_too_short_for_a_row_that_counts_are_judged_undecided_or_not_at_all(model):
    short = replace(text(), prompts=text().prompts[:, :10])
    short = replace(short, clusters=hand_built.real_text(short.prompts).clusters)
    table = line_start_table(model, [GLUED], short, n_resamples=10, seed=0)
    assert "yes" not in set(table["answer"])
    assert (chance_table(model, [GLUED], short, n_resamples=10, seed=0)["rows"] == 0).all()
