"""Tables of the corpus: documents with their provenance, and packed sequences ready to sample from."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int, UInt16
from tokenizers import Tokenizer

from polyhead.files import replacing
from polyhead.prompts import packing
from polyhead.prompts.packing import Packed
from training.bpe import BOS_ID, EOS_ID
from training.corpus import Document
from training.duplicates import splits

NAMES = ["package", "version", "path", "licence", "sha256", "source_type", "old"]
PROVENANCE = ["id", *NAMES, "cluster", "split", "characters"]
ENCODE_AT_ONCE = 256  # documents


def documents_table(
    documents: list[Document], clusters: Int[np.ndarray, " document"], held_out_one_in: int
) -> pa.Table:
    """Return one line per document: its provenance, its cluster and split and its text, numbered from 0."""
    return pa.table(
        {
            "id": pa.array(range(len(documents)), pa.int32()),
            **{name: [getattr(document, name) for document in documents] for name in NAMES},
            "cluster": pa.array(clusters, pa.int32()),
            "split": splits(documents, clusters, held_out_one_in),
            "characters": pa.array([len(document.text) for document in documents], pa.int32()),
            "text": [document.text for document in documents],
        }
    )


def packed_split(documents: Path | str, tokenizer: Path | str, split: str, context: int, seed: int) -> Packed:
    """Tokenise the documents of one split and pack them in sequences of `context` tokens."""
    table = pq.read_table(documents, columns=["id", "text"], filters=[("split", "=", split)])
    return pack(
        encode(Tokenizer.from_file(str(tokenizer)), table["text"]), table["id"].to_numpy(), context, seed
    )


def encode(tokenizer: Tokenizer, texts: pa.ChunkedArray) -> list[np.ndarray]:
    """Return the tokens of each text."""
    encoded = []
    for start in range(0, len(texts), ENCODE_AT_ONCE):
        some = texts.slice(start, ENCODE_AT_ONCE).to_pylist()
        batch = tokenizer.encode_batch_fast(some, add_special_tokens=False)
        encoded += [np.array(text.ids, dtype=np.uint16) for text in batch]
    return encoded


def pack(texts: list[np.ndarray], ids: Int[np.ndarray, " text"], context: int, seed: int) -> Packed:
    """Pack tokenised documents; every sequence opens with BOS, and EOS stands behind every document."""
    return packing.pack(texts, ids, context, seed, BOS_ID, EOS_ID, np.uint16)


def save_packed(packed: Packed, path: Path | str) -> None:
    """Write an .npz file."""
    with replacing(path) as temporary:
        np.savez(temporary, **vars(packed))


def read_packed(path: Path | str) -> Packed:
    """Read what `save_packed` wrote."""
    with np.load(path) as arrays:
        return Packed(**arrays)


def read_tokens(path: Path | str) -> UInt16[np.ndarray, "sequence position"]:
    """Read the tokens alone of what `save_packed` wrote: all that training needs."""
    with np.load(path) as arrays:
        return arrays["tokens"]


def sample_sequences(packed: Packed, count: int, seed: int) -> Packed:
    """Return a uniform sample of at most `count` sequences, in their order."""
    if count >= len(packed.tokens):
        return packed
    drawn = np.random.default_rng(seed).choice(len(packed.tokens), size=count, replace=False)
    kept, slices = np.sort(drawn), list(packed.entries())
    entries = np.concatenate([np.r_[slices[one]] for one in kept])
    first = np.concatenate([[0], np.diff(packed.first)[kept].cumsum()])
    return Packed(packed.tokens[kept], packed.documents[entries], packed.starts[entries], first)


def sequences_table(packed: Packed, documents: pa.Table) -> pa.Table:
    """Return packed sequences as lists of tokens, each with the document that fills most of it.

    Line `id` of `documents` is document `id`. Columns: tokens; source ("package version path"), source_type
    and package of the main document; documents (ids of all, in order) and starts (where each begins).
    """
    main = documents.take(packed.main_documents())
    names = zip(*(main[name].to_pylist() for name in ("package", "version", "path")), strict=True)
    columns = packed.columns()
    own = {"source": [" ".join(name) for name in names], "source_type": main["source_type"]}
    return pa.table({"tokens": columns.pop("tokens"), **own, "package": main["package"], **columns})
