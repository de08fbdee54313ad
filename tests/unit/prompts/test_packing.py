"""Packed sequences hold every document, and know which and where."""

import numpy as np

from polyhead.prompts.packing import pack

BOS, EOS = 0, 1


def packed_of(*lengths, context, seed=0):
    """Pack texts of the given lengths, with ids from 100 on; the tokens of text k are all 10 + k."""
    texts = [np.full(length, 10 + k, dtype=np.uint16) for k, length in enumerate(lengths)]
    return pack(texts, np.arange(len(lengths)) + 100, context, seed, BOS, EOS, np.uint16)


def test_packed_sequences_open_with_bos_and_hold_every_document_ended_by_eos():
    lengths = (5, 3, 7, 4, 6)
    packed = packed_of(*lengths, context=6, seed=3)
    assert (packed.tokens[:, 0] == BOS).all()
    stream = packed.tokens[:, 1:].reshape(-1)
    for text in np.split(stream, np.flatnonzero(stream == EOS) + 1)[:-1]:
        assert (text[:-1] == text[0]).all()
        assert len(text) - 1 == lengths[text[0] - 10]


def test_a_sequence_says_which_documents_it_holds_and_where_they_begin():
    packed = packed_of(*np.random.default_rng(0).integers(1, 40, 60), context=16, seed=1)
    assert len(packed.first) == len(packed.tokens) + 1
    for tokens, entries in zip(packed.tokens, packed.entries(), strict=True):
        documents, starts = packed.documents[entries], packed.starts[entries]
        assert starts[0] == 1
        owner = documents[np.searchsorted(starts, np.arange(1, 16), side="right") - 1]
        text = tokens[1:] != EOS
        assert (owner[text] == tokens[1:][text] + 90).all()
        assert (tokens[starts[1:] - 1] == EOS).all()  # a document begins after the end of another


def test_a_document_that_goes_on_starts_at_one_in_the_next_sequence():
    packed = packed_of(25, context=11)
    assert packed.documents.tolist() == [100, 100]
    assert packed.starts.tolist() == [1, 1]
    assert packed.first.tolist() == [0, 1, 2]
    assert packed_of(3, 9, context=15).main_documents() == [101]


def test_packing_follows_the_seed():
    first, again, other = (packed_of(*[4] * 30, context=8, seed=seed).tokens for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
