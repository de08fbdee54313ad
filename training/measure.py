"""What a model's heads do: scores and labels on real prompts, induction on repeated random tokens."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, Integer
from numpy import ndarray
from torch.nn.functional import cross_entropy

from polyhead.attention.labels import UNKNOWN, Definitions, read_atoms
from polyhead.attention.rows import patterns, shard_tables
from polyhead.model.head import all_heads
from polyhead.model.transformer import AttentionOnly
from polyhead.model.vocabulary import Vocabulary


def known_tokens(
    sequences: Integer[ndarray, "sequence pos"], vocabulary: Vocabulary
) -> Int[ndarray, " token"]:
    """Return the tokens that occur in sequences of text, without the special ones.

    A vocabulary holds tokens that training hardly ever showed, such as lone bytes. A model does not know what
    to do with them; one of them can draw all attention of a head wherever it stands.
    """
    special = [vocabulary.bos, vocabulary.eos, vocabulary.pad]
    return np.setdiff1d(sequences.astype(np.int64), special)


def all_tokens(vocabulary: Vocabulary) -> Int[ndarray, " token"]:
    """Return all tokens but the special ones."""
    special = [vocabulary.bos, vocabulary.eos, vocabulary.pad]
    return np.setdiff1d(np.arange(vocabulary.tokenizer.get_vocab_size()), special)


def periods(short: int, context: int) -> tuple[int, int]:
    """Return the lengths of the random sequences: `short`, if two fit, and half a context (beside BOS)."""
    longest = (context - 1) // 2
    return min(short, longest), longest


def repeated_tokens(
    prompts: int, period: int, tokens: Int[ndarray, " token"], bos: int, seed: int
) -> Int[ndarray, "prompt pos"]:
    """Return prompts of BOS and one random sequence of `period` tokens twice; none occurs twice in it.

    Where there are fewer tokens than that, the sequence is as long as there are tokens.
    """
    rng = np.random.default_rng(seed)
    halves = [rng.choice(tokens, size=min(period, len(tokens)), replace=False) for _ in range(prompts)]
    return np.array([[bos, *half, *half] for half in halves], dtype=np.int32)


def repeated_induction(model: AttentionOnly, repeated: Int[ndarray, "prompt pos"]) -> Float[ndarray, " head"]:
    """Return each head's mean attention, in the second half, to the token after the first copy."""
    period = (repeated.shape[1] - 1) // 2
    dest = np.arange(1 + period, repeated.shape[1])
    found = patterns(model, all_heads(model.n_layers, model.n_heads), torch.from_numpy(repeated).long())
    return found[:, :, dest, dest - period + 1].mean((0, 2)).numpy()


def head_evidence(
    model: AttentionOnly,
    vocabulary: Vocabulary,
    prompts: Int[ndarray, "prompt pos"],
    repeated: Int[ndarray, "random_prompt random_pos"],
    definitions: Definitions,
) -> pd.DataFrame:
    """Measure every head; one line each.

    Columns: head; mean attention on repeated random tokens (`induction_repeated`) and on `prompts`
    (`previous`: exactly one back; `previous_window`, `induction`, `duplicate`, `bos`: by definition);
    `unknown_share` and, per taxonomy, `labels`: share of rows of each label.
    """
    heads = all_heads(model.n_layers, model.n_heads)
    tables = shard_tables(model, vocabulary, heads, np.arange(len(prompts)), prompts, definitions.window)
    scores = repeated_induction(model, repeated)
    lines = []
    for head, table, score in zip(heads, tables, scores, strict=True):
        atoms = read_atoms(table)
        names = ["previous", "induction", "duplicate", "bos"]
        mass = dict(zip(names, atoms.union_mass([[name] for name in names]).mean(0), strict=True))
        shares = {
            name: pd.Series(labels).value_counts(normalize=True)
            for name, labels in definitions.labels(atoms).items()
        }
        lines.append(
            {
                "head": str(head),
                "induction_repeated": float(score),
                "previous": float(table["recent_1"].to_numpy().mean()),
                "previous_window": float(mass.pop("previous")),
                **{name: float(value) for name, value in mass.items()},
                "unknown_share": float(shares["post"].get(UNKNOWN, 0.0)),
                "labels": {name: _notable(share) for name, share in shares.items()},
            }
        )
    return pd.DataFrame(lines)


def _notable(shares: pd.Series, least: float = 0.005) -> dict[str, float]:
    return {str(name): round(float(share), 5) for name, share in shares.items() if share >= least}


@torch.inference_mode()
def held_out_loss(
    model: AttentionOnly, sequences: Integer[ndarray, "sequence pos"], batch: int = 16
) -> tuple[float, float]:
    """Return mean loss (nats per token) and share of right first guesses over all tokens but BOS."""
    loss, right, count = 0.0, 0, 0
    for start in range(0, len(sequences), batch):
        tokens = torch.from_numpy(sequences[start : start + batch].astype(np.int64))
        logits = model(tokens[:, :-1]).flatten(0, 1)
        answers = tokens[:, 1:].flatten()
        loss += cross_entropy(logits, answers, reduction="sum").item()
        right += int((logits.argmax(-1) == answers).sum())
        count += len(answers)
    return loss / count, right / count


def text_bytes(vocabulary: Vocabulary, sequences: ndarray | Sequence[ndarray]) -> int:
    """Return how many bytes of text the sequences' tokens stand for; special tokens stand for none."""
    lengths = np.array([_bytes_of(vocabulary, token) for token in range(len(vocabulary.texts))])
    return int(sum(lengths[sequence].sum() for sequence in sequences))


def _bytes_of(vocabulary: Vocabulary, token: int) -> int:
    if token in (vocabulary.bos, vocabulary.eos, vocabulary.pad):
        return 0
    return len(vocabulary.tokenizer.id_to_token(token) or "")  # byte-level: one character is one byte
