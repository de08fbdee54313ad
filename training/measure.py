"""What a model and its heads do on held-out text: loss, entropy of rows, rows that have a name."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from jaxtyping import Int, Integer
from numpy import ndarray
from torch.nn.functional import cross_entropy

from polyhead.attention.labels import UNKNOWN, Definitions, read_atoms
from polyhead.attention.rows import shard_tables
from polyhead.model.head import all_heads
from polyhead.model.opening import open_native
from polyhead.model.transformer import AttentionOnly
from polyhead.model.vocabulary import Vocabulary, open_vocabulary
from training.model import next_token_loss
from training.recipe import EvaluationRecipe

NATS_PER_BIT = float(np.log(2))
AT_ONCE = 16  # sequences


def measures(directory: Path, sequences_path: Path | str, recipe: EvaluationRecipe) -> dict[str, Any]:
    """Measure an exported model on held-out sequences; the result is what evaluation.json holds.

    `every_100th_row` is the loss on these sequences alone, quick to check.
    """
    model, vocabulary = open_native(directory), open_vocabulary(directory / "tokenizer.json")
    column = pq.read_table(sequences_path, columns=["tokens"])["tokens"]
    sequences = np.array(column.to_pylist(), dtype=np.int32)
    read = sequences[np.random.default_rng(0).permutation(len(sequences))[: recipe.prompts]]
    named = named_rows(model, vocabulary, read, Definitions(recipe.previous_window, recipe.threshold))
    return {
        "held_out": held_out(model, vocabulary, sequences[: recipe.loss_sequences]),
        "every_100th_row": held_out_loss(model, sequences[::100])[0],
        "prompts": len(read),
        "row_entropy": row_entropy(model, read),
        "named": named.mean().to_dict(),
        "heads": named.to_dict("index"),
    }


def held_out(
    model: AttentionOnly, vocabulary: Vocabulary, sequences: Int[ndarray, "sequence pos"]
) -> dict[str, int | float]:
    """Return the loss over all sequences, per token and per byte of the text they stand for."""
    nats, top1 = held_out_loss(model, sequences)
    tokens = sequences[:, 1:].size
    return {
        "nats_per_token": nats,
        "bits_per_byte": nats / NATS_PER_BIT * tokens / text_bytes(vocabulary, sequences),
        "top1": top1,
        "rows": len(sequences),
        "tokens": tokens,
    }


@torch.inference_mode()
def held_out_loss(model: AttentionOnly, sequences: Integer[ndarray, "sequence pos"]) -> tuple[float, float]:
    """Return mean loss (nats per token) and share of right first guesses over all tokens but BOS."""
    loss, right = 0.0, 0
    for start in range(0, len(sequences), AT_ONCE):
        tokens = torch.from_numpy(sequences[start : start + AT_ONCE].astype(np.int64))
        logits, answers = model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()
        loss += cross_entropy(logits, answers, reduction="sum").item()
        right += int((logits.argmax(-1) == answers).sum())
    return loss / sequences[:, 1:].size, right / sequences[:, 1:].size


@torch.no_grad()
def row_entropy(model: AttentionOnly, sequences: Integer[ndarray, "sequence pos"]) -> float:
    """Return the mean entropy of a row of attention (nats), over all layers, heads and destinations."""
    parts = torch.from_numpy(sequences.astype(np.int64)).split(AT_ONCE)
    return sum(len(part) * float(next_token_loss(model, part)[1]) for part in parts) / len(sequences)


def text_bytes(vocabulary: Vocabulary, sequences: Integer[ndarray, "sequence pos"]) -> int:
    """Return how many bytes of text the sequences' tokens stand for; special tokens stand for none."""
    texts = [vocabulary.tokenizer.id_to_token(token) or "" for token in range(len(vocabulary.texts))]
    lengths = np.array([len(text) for text in texts])  # byte-level: one character is one byte
    lengths[[vocabulary.bos, vocabulary.eos, vocabulary.pad]] = 0
    return int(lengths[sequences].sum())


def named_rows(
    model: AttentionOnly,
    vocabulary: Vocabulary,
    prompts: Int[ndarray, "prompt pos"],
    definitions: Definitions,
) -> pd.DataFrame:
    """Return for every head (index) and taxonomy (column) the share of rows whose label is not `unknown`."""
    heads, numbers = all_heads(model.n_layers, model.n_heads), np.arange(len(prompts))
    tables = shard_tables(model, vocabulary, heads, numbers, prompts, definitions.window)
    lines = [
        {
            name: float(np.mean(labels != UNKNOWN))
            for name, labels in definitions.labels(read_atoms(rows)).items()
        }
        for rows in tables
    ]
    return pd.DataFrame(lines, index=[str(head) for head in heads])
