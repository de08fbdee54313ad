import pytest
import torch
from decoders import ARCHITECTURES, random_model

from polyhead.attention.rows import patterns
from polyhead.model.attend import register
from polyhead.model.decoders import as_decoder
from polyhead.model.head_scores import HeadScores, head_scores, in_window
from polyhead.model.opening import open_model


def of_transformers(kind, **changes):
    model = random_model(kind, **changes)
    register()
    model.set_attn_implementation(register())
    return as_decoder(model, kind)


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(2, 384, (2, 40), generator=torch.Generator().manual_seed(0))


def test_they_give_the_pattern_of_an_attention_only_model(model_dir, prompts):
    model, _ = open_model(model_dir)
    some = torch.from_numpy(prompts).long()
    for head in ((0, 0), (1, 2)):
        expected = patterns(model, [head], some)[:, 0]
        found = head_scores(model, head, some)
        torch.testing.assert_close(found.pattern(), expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(found.about_mean_key().pattern(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_they_give_the_pattern_of_any_decoder(kind, tokens):
    model = of_transformers(kind)
    for head in ((0, 1), (2, 3)):
        found = head_scores(model, head, tokens)
        expected = patterns(model, [head], tokens)[:, 0]
        torch.testing.assert_close(found.about_mean_key().pattern(), expected, atol=1e-4, rtol=0)


def test_a_window_is_found_only_where_it_hides_something(tokens):
    model = of_transformers("mistral")
    assert head_scores(model, (0, 0), tokens).window == 6
    assert head_scores(model, (0, 0), tokens[:, :6]).window == 0
    assert in_window(4, 2).int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]


def test_squashed_scores_keep_their_mean_key():
    query, key = torch.randn(2, 1, 9, 4, generator=torch.Generator().manual_seed(1)) * 3
    squashed = HeadScores(query, key, softcap=2.0)
    assert squashed.about_mean_key() is squashed
    by_hand = torch.tanh(query[0] @ key[0].T / 2) * 2
    by_hand = by_hand.masked_fill(torch.ones(9, 9).triu(1).bool(), -torch.inf).softmax(-1)
    torch.testing.assert_close(squashed.pattern()[0], by_hand)
