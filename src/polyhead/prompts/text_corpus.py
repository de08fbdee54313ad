"""Make a study's corpus of texts: tokenised with the model's own tokenizer, and packed.

Every sequence opens with the token that opens a prompt, and documents are joined by EOS. Of a sequence it is
kept which documents it holds, where each begins, and what its largest part is from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int
from numpy import ndarray

from polyhead.errors import PolyheadError
from polyhead.files import write_parquet
from polyhead.model.vocabulary import Vocabulary
from polyhead.prompts.packing import Packed, pack
from polyhead.prompts.texts import Text

PIECE = 2**16
"""Characters that are tokenised at a time: longer texts, and lines, are cut there."""
TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class Tokenised:
    """Tokens of texts, and what each is of."""

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
    characters, waiting = 0, list[Text]()
    rest = iter(texts)
    for text in rest:
        waiting.append(text)
        characters += len(text.text)
        full = megabytes is not None and characters >= megabytes * 1e6
        if full or len(waiting) == TEXTS_AT_ONCE:
            tokens += _tokens(waiting, vocabulary)
            kept += [Text(one.document, one.source, one.source_type, "") for one in waiting]
            waiting = []
        if full:
            break
    tokens += _tokens(waiting, vocabulary)
    kept += [Text(one.document, one.source, one.source_type, "") for one in waiting]
    return Tokenised(tokens, kept, characters, next(rest, None) is None)


def _tokens(texts: list[Text], vocabulary: Vocabulary) -> Iterator[Int[ndarray, " _"]]:
    pieces = [list(_pieces(text.text)) for text in texts]
    flat = vocabulary.tokenizer.encode_batch_fast(
        [p for some in pieces for p in some], add_special_tokens=False
    )
    found = iter(flat)
    for some in pieces:
        ids = [token for _ in some for token in next(found).ids]
        special = [vocabulary.bos, vocabulary.eos]
        tokens = np.array(ids, np.int32)
        yield tokens[~np.isin(tokens, special)]


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
        path: parquet to write: tokens, source, source_type, documents, starts.
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
    known = document_ids
    ids = np.array([known.setdefault(one.document, len(known)) for one in found.texts], np.int32)
    sequences = 0
    if found.tokens:
        packed = pack(found.tokens, ids, context, seed, vocabulary.bos, vocabulary.eos)
        sequences = len(packed.tokens)
    if sequences < needed:
        raise PolyheadError(
            f"prompts: {needed} asked for; the text of {where} makes {sequences} prompts of {context} "
            "tokens; give more text, or lower prompts or context"
        )
    write_parquet(path, _table(packed, found.texts, ids))
    return {
        "documents": len(np.unique(ids)),
        "characters": found.characters,
        "sequences": sequences,
        "whole": found.whole,
    }


def says_of(record: Mapping[str, Any]) -> str:
    """Say what prompts were packed from, from the record of `write_split` with text and left_out."""
    said = f"packed from {record['documents']:,} documents of {record['text']} with the model's own tokenizer"
    if not record["whole"]:
        said += f", of which {record['characters'] / 1e6:.0f} million characters were read"
    parts = [f"{count:,} ({reason})" for reason, count in sorted(record["left_out"].items())]
    return said + (f"; left out: {', '.join(parts)}" if parts else "")


def _table(packed: Packed, texts: list[Text], ids: Int[ndarray, " text"]) -> pa.Table:
    first = dict(zip(reversed(ids.tolist()), reversed(texts), strict=True))
    main = [first[document] for document in packed.main_documents()]
    lists = pa.list_(pa.int32())
    return pa.table(
        {
            "tokens": pa.array(list(packed.tokens), lists),
            "source": pa.array([one.source for one in main], pa.string()),
            "source_type": pa.array([one.source_type for one in main], pa.string()),
            "documents": pa.array([packed.documents[here] for here in packed.entries()], lists),
            "starts": pa.array([packed.starts[here] for here in packed.entries()], lists),
        }
    )
