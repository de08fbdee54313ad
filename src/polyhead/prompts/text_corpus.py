"""Make a study's corpus of texts: tokenised with the model's own tokenizer, and packed.

Every sequence opens with the token that opens a prompt, and documents are joined by EOS. Of a sequence it is
kept which documents it holds, where each begins, and what its largest part is from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int
from numpy import ndarray

from polyhead.errors import PolyheadError
from polyhead.files import write_parquet
from polyhead.model.vocabulary import Vocabulary
from polyhead.prompts.packing import pack
from polyhead.prompts.texts import Text

PIECE = 2**16
"""Characters that are tokenised at a time: longer texts, and lines, are cut there."""
TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class Tokenised:
    """Tokens of texts, and what each is of; BOS and EOS that a text spells out are left out."""

    tokens: list[Int[ndarray, " _"]]
    texts: list[Text]
    """As given, without what they say."""
    characters: int
    whole: bool
    """Whether all that was given was read."""


def tokenised(texts: Iterable[Text], vocabulary: Vocabulary, megabytes: float | None) -> Tokenised:
    """Tokenise texts until about `megabytes` are read, counting a byte for each character."""
    tokens: list[Int[ndarray, " _"]] = []
    kept: list[Text] = []
    characters, rest = 0, iter(texts)
    some = _until(rest, math.inf if megabytes is None else megabytes * 1e6)
    while now := list(islice(some, TEXTS_AT_ONCE)):
        for one, found in zip(now, _tokens(now, vocabulary), strict=True):
            tokens.append(found[~np.isin(found, [vocabulary.bos, vocabulary.eos])])
            kept.append(replace(one, text=""))
            characters += len(one.text)
    return Tokenised(tokens, kept, characters, next(rest, None) is None)


def _until(texts: Iterator[Text], characters: float) -> Iterator[Text]:
    """Yield texts up to the one with which so many characters are reached."""
    read = 0
    while read < characters and (one := next(texts, None)):
        read += len(one.text)
        yield one


def _tokens(texts: list[Text], vocabulary: Vocabulary) -> Iterator[Int[ndarray, " _"]]:
    pieces = [list(_pieces(text.text)) for text in texts]
    flat = [piece for some in pieces for piece in some]
    found = iter(vocabulary.tokenizer.encode_batch_fast(flat, add_special_tokens=False))
    for some in pieces:
        first, *others = (next(found).ids for _ in some)
        later = (_without_space(ids, vocabulary) for ids in others)
        yield np.array([token for ids in (first, *later) for token in ids], np.int32)


def _without_space(ids: list[int], vocabulary: Vocabulary) -> list[int]:
    """Return the tokens of a later piece of a text without the space that some tokenizers put in front."""
    return ids[1:] if vocabulary.opens_with_space and vocabulary.texts[ids[0]] == " " else ids


def _pieces(text: str) -> Iterator[str]:
    """Cut a long text in front of a line, or else a space, where there is one."""
    while len(text) > PIECE:
        cut = max(text.rfind("\n", 1, PIECE), 0) or max(text.rfind(" ", 1, PIECE), 0) or PIECE
        yield text[:cut]
        text = text[cut:]
    yield text


def write_split(
    path: Path | str,
    texts: Iterable[Text],
    vocabulary: Vocabulary,
    *,
    context: int,
    needed: int,
    seed: int,
    megabytes: float | None,
    where: str,
    document_ids: dict[str, int],
) -> dict[str, Any]:
    """Pack texts and write them as a split of a corpus; return how much was read and made, as plain data.

    Args:
        path: parquet to write: tokens, documents, starts, source, source_type.
        texts: in any order; they are shuffled.
        vocabulary: the model's.
        context: tokens of each sequence, the opening one included.
        needed: sequences that the study will draw.
        seed: of the order.
        megabytes: about how much text is read at most; `None`: all.
        where: the corpus, in messages.
        document_ids: ids of known documents; new ones are added, so that ids are unique across splits.

    Raises:
        PolyheadError: there is too little text.
    """
    found = tokenised(texts, vocabulary, megabytes)
    ids = [document_ids.setdefault(one.document, len(document_ids)) for one in found.texts]
    packed = pack(found.tokens, np.array(ids, np.int32), context, seed, vocabulary.bos, vocabulary.eos)
    if len(packed.tokens) < needed:
        raise PolyheadError(
            f"corpus.text: {where}: {len(set(ids))} documents make {len(packed.tokens)} prompts of {context} "
            f"tokens, {needed} are asked for; give more text, or lower prompts or context. A head is chosen "
            "on one document in three, which the report does not read, so one document is too few; "
            "selection: {prompts: 0} leaves all of them to the report"
        )
    of = dict(zip(reversed(ids), reversed(found.texts), strict=True))
    main = [of[document] for document in packed.main_documents()]
    sources = {"source": [one.source for one in main], "source_type": [one.source_type for one in main]}
    write_parquet(path, pa.table({**packed.columns(), **sources}))
    return {
        "documents": len(set(ids)),
        "characters": found.characters,
        "sequences": len(packed.tokens),
        "whole": found.whole,
    }


def says_of(record: Mapping[str, Any]) -> str:
    """Say what prompts were packed from, from the record of `write_split` with text, left_out and changed."""
    said = f"packed from {record['documents']:,} documents of {record['text']} with the model's own tokenizer"
    if not record["whole"]:
        said += f", of which {record['characters'] / 1e6:.0f} million characters were read"
    for name in ("left_out", "changed"):
        if parts := [f"{count:,} ({reason})" for reason, count in sorted(record.get(name, {}).items())]:
            said += f"; {name.replace('_', ' ')}: {', '.join(parts)}"
    return said
