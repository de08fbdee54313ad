"""The tokenizer: byte-level BPE, pre-tokenised as GPT-NeoX's with single digits."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.normalizers import NFC
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
from tokenizers.trainers import BpeTrainer

from training.recipe import TokenizerRecipe

BOS, EOS, PAD = "<|BOS|>", "<|EOS|>", "<|PAD|>"
BOS_ID, EOS_ID, PAD_ID = 0, 1, 2


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn `vocabulary` tokens from `texts`; BOS, EOS and PAD are tokens 0, 1 and 2.

    A newline and the spaces after it, but for the last before a word, are one piece; every digit is a
    token of its own.
    """
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = NFC()
    tokenizer.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def sample_texts(documents: Path | str, recipe: TokenizerRecipe, seed: int) -> list[str]:
    """Return a random sample of the training documents' texts, those of old packages left out."""
    learned = [("split", "=", "train"), ("old", "=", False)]
    texts = pq.read_table(documents, columns=["text"], filters=learned)["text"].to_pylist()
    sample, characters = [], 0
    for index in np.random.default_rng(seed).permutation(len(texts)):
        if characters < recipe.sample_characters:
            sample.append(texts[index])
            characters += len(texts[index])
    return sample
