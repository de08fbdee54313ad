"""Tokens as a reader sees them: labels, tokens that break lines, special tokens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from tokenizers import Tokenizer

from polyhead.errors import PolyheadError
from polyhead.files import check_sum, read_json

SPECIAL = {"bos": "<|BOS|>", "eos": "<|EOS|>", "pad": "<|PAD|>"}
ALL = "all"
"""Stands for all destination tokens in tables, where a token is named by its label."""
BYTE = re.compile("<0x([0-9A-F]{2})>")
"""How SentencePiece writes a byte."""
PLAIN = [*range(33, 127), *range(161, 173), *range(174, 256)]
ALPHABET = {chr(byte): byte for byte in PLAIN}
ALPHABET |= {chr(256 + place): byte for place, byte in enumerate(sorted({*range(256)} - {*PLAIN}))}
"""How GPT-2 writes bytes: those that are no visible characters are moved up."""


def label(text: str) -> str:
    """Return a token's text as the post writes it: `·` space, `⏎` newline, `[·×K]` for K ≥ 3 spaces.

    The post writes ``⏎[·×3]``; a single leading space stays ``·`` as in ``·def``. A literal middle dot or
    return sign is written as its escape, so that two tokens never look alike because of the notation; so is
    what cannot be seen. A byte that is no text on its own (a lone surrogate here) is `<0xE4>`.
    """
    text = text.replace("·", "\\xb7").replace("⏎", "\\u23ce")
    text = text.replace("\r", "␍").replace("\t", "⇥").replace("\n", "⏎")
    text = re.sub("[\udc80-\udcff]", lambda byte: f"<0x{ord(byte[0]) - 0xDC00:02X}>", text)
    if not text.isprintable():
        text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return re.sub(" +", lambda run: _spaces(len(run[0])), text)


def _spaces(count: int) -> str:
    return "·" * count if count < 3 else f"[·×{count}]"


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer with the facts about its tokens that the study needs.

    `size`: of the model's vocabulary, which may have more ids than the tokenizer. `switched_off`: what the
    file would have had the tokenizer do beside splitting a text.
    """

    tokenizer: Tokenizer
    bos: int
    eos: int
    pad: int
    size: int = 0
    switched_off: tuple[str, ...] = ()

    @cached_property
    def stored(self) -> list[str]:
        """Every token as the tokenizer's file writes it, empty for an id that is no token."""
        ids = range(max(self.size, count_ids(self.tokenizer)))
        return [self.tokenizer.id_to_token(i) or "" for i in ids]

    @cached_property
    def texts(self) -> list[str]:
        """Text of every id as it stands within a text, empty for an id that is no token.

        Joined they are the text. A byte that is no text on its own is a lone surrogate (`surrogateescape`).
        """
        decode = partial(self.tokenizer.decode, skip_special_tokens=False)
        # some decoders take a space off either end, so a token is decoded between two letters
        letters = (i for i, one in enumerate(self.stored) if one.isalpha() and decode([i, i]) == 2 * one)
        side = list(islice(letters, 1))
        whole = (decode([*side, i, *side]) for i in range(len(self.stored)))
        cut = slice(len(decode(side)), -len(decode(side)) or None)
        return [_with_bytes(text[cut], one) for text, one in zip(whole, self.stored, strict=True)]

    @cached_property
    def labels(self) -> list[str]:
        """Label of every token id, unique: what would look alike, or like `all`, is told apart by its id."""
        plain = [label(text) for text in self.texts]
        counts = Counter(plain)  # SentencePiece has tokens of bytes beside those of the same characters
        plain = [
            stored if counts[name] > 1 and BYTE.fullmatch(stored) else name
            for name, stored in zip(plain, self.stored, strict=True)
        ]
        counts = Counter([ALL, *plain])
        return [name if counts[name] == 1 and name else f"{name}#{i}" for i, name in enumerate(plain)]

    @cached_property
    def opens_with_space(self) -> bool:
        """Whether the tokenizer puts a space in front of every text, as SentencePiece does."""
        return "".join(self.texts[i] for i in self.encode("a")) == " a"

    @cached_property
    def breaks(self) -> Bool[np.ndarray, " token"]:
        """Whether the text of every token id contains a newline."""
        return np.array(["\n" in text for text in self.texts])

    @cached_property
    def blank(self) -> Bool[np.ndarray, " token"]:
        """Whether the text of every token id is spaces, tabs and newlines alone."""
        return np.array([text != "" and not text.strip(" \t\n") for text in self.texts])

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`, without BOS."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def single(self, text: str) -> int:
        """Return the id of a text that is one token; raise `PolyheadError` with its tokens if it is not."""
        same = [i for i, one in enumerate(self.texts) if one == text] if self.opens_with_space else []
        ids = same[-1:] or self.encode(text)  # tokens of bytes come first
        if len(ids) == 1:
            return ids[0]
        pieces = " | ".join(self.labels[i] for i in ids)
        raise PolyheadError(f"{text!r} is not a single token of this tokenizer: it splits into {pieces}")


def _with_bytes(text: str, stored: str) -> str:
    """Return the text of a token with what is no text in it as the bytes that the file says."""
    if "\ufffd" not in text:
        return text
    if byte := BYTE.fullmatch(stored):
        return bytes.fromhex(byte[1]).decode("utf-8", "surrogateescape")
    known = ALPHABET.keys() >= set(stored)
    return bytes(map(ALPHABET.__getitem__, stored)).decode("utf-8", "surrogateescape") if known else text


def open_vocabulary(path: Path | str, size: int = 0) -> Vocabulary:
    """Open a Hugging Face `tokenizer.json` that has BOS, EOS and PAD tokens.

    They are `<|BOS|>`, `<|EOS|>`, `<|PAD|>`, unless a `tokenizer_config.json` beside the file names others.
    Two roles may share a token, as in GPT-2; without a PAD token it is EOS.
    `size` is that of the model's vocabulary.

    Raises:
        PolyheadError: the file cannot be read, or lacks a special token.
    """
    check_sum(path)
    tokenizer, switched_off = load_tokenizer(path)
    names = special_tokens(Path(path).with_name("tokenizer_config.json"))
    ids = {role: tokenizer.token_to_id(text) for role, text in names.items()}
    ids["pad"] = ids["eos"] if ids["pad"] is None else ids["pad"]
    known = {role: number for role, number in ids.items() if number is not None}
    for role in (role for role in ids if role not in known):
        raise PolyheadError(f"the tokenizer {path} has no {role.upper()} token {names[role]}")
    return Vocabulary(tokenizer, **known, size=size, switched_off=switched_off)


def load_tokenizer(path: Path | str) -> tuple[Tokenizer, tuple[str, ...]]:
    """Read a tokenizer.json as a function of the text alone, and what of it had to be switched off for that.

    Raises:
        PolyheadError: it cannot be read.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust library raises bare Exception
        raise PolyheadError(f"cannot read the tokenizer {path}: {error}") from error
    model = tokenizer.model
    found = {"truncation": tokenizer.truncation, "padding": tokenizer.padding}
    found["dropout"] = getattr(model, "dropout", None)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if found["dropout"]:
        model.dropout = None
        tokenizer.model = model
    return tokenizer, tuple(name for name, setting in found.items() if setting)


def count_ids(tokenizer: Tokenizer) -> int:
    """Return how many ids a model needs for a tokenizer: the largest plus one, as ids may have holes."""
    return 1 + max(tokenizer.get_vocab(with_added_tokens=True).values())


def special_tokens(settings: Path) -> dict[str, str]:
    """Return the text of the BOS, EOS and PAD tokens; what the settings file does not name is ours."""
    given = read_json(settings) if settings.is_file() else {}
    return {role: token_text(given.get(f"{role}_token")) or text for role, text in SPECIAL.items()}


def token_text(given: str | Mapping[str, Any] | None) -> str:
    """Return the text of a token in a settings file: as it is, or the `content` of a dictionary."""
    return given["content"] if isinstance(given, Mapping) else given or ""
