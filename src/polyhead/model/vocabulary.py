"""Tokens as a reader sees them: labels, tokens that break lines, special tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from tokenizers import Tokenizer

from polyhead.errors import PolyheadError
from polyhead.files import check_sum, read_json

SPECIAL = {"bos": "<|BOS|>", "eos": "<|EOS|>", "pad": "<|PAD|>"}
UNSEEN = "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff]"
ALL = "all"
"""Stands for all destination tokens in tables, where a token is named by its label."""


def label(text: str) -> str:
    """Return a token's text as the post writes it: `·` space, `⏎` newline, `[·×K]` for K ≥ 3 spaces.

    The post writes ``⏎[·×3]``; a single leading space stays ``·`` as in ``·def``. A literal middle dot or
    return sign is written as its escape, so that two tokens never look alike because of the notation; so is a
    character that is not seen: one of control, which no figure could hold, or one that turns the line around.
    """
    text = text.replace("·", "\\xb7").replace("⏎", "\\u23ce")
    text = text.replace("\r", "␍").replace("\t", "⇥").replace("\n", "⏎")
    text = re.sub(UNSEEN, lambda found: ascii(found[0])[1:-1], text)
    return re.sub(" +", lambda run: _spaces(len(run[0])), text)


def _spaces(count: int) -> str:
    return "·" * count if count < 3 else f"[·×{count}]"


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer with the facts about its tokens that the study needs."""

    tokenizer: Tokenizer
    bos: int
    eos: int
    pad: int

    @cached_property
    def texts(self) -> list[str]:
        """Text of every id: `�` for bytes that are no text on their own, empty for an id that is no token."""
        ids = range(count_ids(self.tokenizer))
        return [self.tokenizer.decode([i], skip_special_tokens=False) for i in ids]

    @cached_property
    def labels(self) -> list[str]:
        """Label of every token id, unique: what would look alike, or like `all`, is told apart by its id."""
        plain = [label(text) for text in self.texts]
        counts = {ALL: 1}
        for name in plain:
            counts[name] = counts.get(name, 0) + 1
        return [name if counts[name] == 1 and name else f"{name}#{i}" for i, name in enumerate(plain)]

    @cached_property
    def breaks(self) -> Bool[np.ndarray, " token"]:
        """Whether the text of every token id contains a newline."""
        return np.array(["\n" in text for text in self.texts])

    @cached_property
    def blank(self) -> Bool[np.ndarray, " token"]:
        """Whether the text of every token id is spaces, tabs and newlines alone."""
        return np.array([not text.strip(" \t\n") for text in self.texts])

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`, without BOS."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def single(self, text: str) -> int:
        """Return the id of a text that is one token; raise `PolyheadError` with its tokens if it is not."""
        ids = self.encode(text)
        if len(ids) == 1:
            return ids[0]
        pieces = " | ".join(self.labels[i] for i in ids)
        raise PolyheadError(f"{text!r} is not a single token of this tokenizer: it splits into {pieces}")


def open_vocabulary(path: Path | str) -> Vocabulary:
    """Open a Hugging Face `tokenizer.json` that has BOS, EOS and PAD tokens.

    They are `<|BOS|>`, `<|EOS|>`, `<|PAD|>`, unless a `tokenizer_config.json` beside the file names others.
    Two roles may share a token, as in GPT-2; without a PAD token it is EOS.

    Raises:
        PolyheadError: the file cannot be read, or lacks a special token.
    """
    check_sum(path)
    tokenizer = load_tokenizer(path)
    names = special_tokens(Path(path).with_name("tokenizer_config.json"))
    ids = {role: tokenizer.token_to_id(text) for role, text in names.items()}
    ids["pad"] = ids["eos"] if ids["pad"] is None else ids["pad"]
    known = {role: number for role, number in ids.items() if number is not None}
    for role in (role for role in ids if role not in known):
        raise PolyheadError(f"the tokenizer {path} has no {role.upper()} token {names[role]}")
    return Vocabulary(tokenizer, **known)


def load_tokenizer(path: Path | str) -> Tokenizer:
    """Read a tokenizer.json as a function of the text alone: it cuts, fills up and leaves to chance nothing.

    Raises:
        PolyheadError: it cannot be read.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust library raises bare Exception
        raise PolyheadError(f"cannot read the tokenizer {path}: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if getattr(tokenizer.model, "dropout", None):
        model = tokenizer.model
        model.dropout = None
        tokenizer.model = model
    return tokenizer


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
