"""What section 1 costs, beside two ways of doing it in a notebook: python -m benchmarks.section1 [table.csv].

The published model's shape with random weights, prompts of 1024 real tokens, CPU, float32. The variants take
turns on the same prompts, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from benchmarks.section2 import SHAPES, random_models, timed
from polyhead.attention.rows import patterns, tables_of_heads, write_tables
from polyhead.files import write_csv
from polyhead.model.protocol import Heads
from polyhead.model.transformer import AttentionOnly, from_state
from polyhead.model.vocabulary import Vocabulary, open_vocabulary

HEAD = (1, 4)
EVERY_HEAD = [(layer, head) for layer in range(4) for head in range(8)]
WINDOW, THRESHOLD, SHARD, SEQUENCES = 4, 0.95, 500, 128
TOKENIZER, CORPUS = (
    Path("resources/reference-model/tokenizer.json"),
    Path("resources/corpus/held_out.parquet"),
)
COLUMNS = ["measurement", "case", "unit", "value", "low", "high", "rounds"]
NAMES = {
    "a": "run_with_cache, boolean masks",
    "b": "stop_at_layer, names_filter, boolean masks",
    "c": "polyhead, to stored rows",
    "d": "matrix products alone",
    "all": "polyhead, all 32 heads",
}


def notebook_labels(
    pattern: Float[Tensor, "dest src"], tokens: Int[Tensor, " pos"], eos: int
) -> Int[Tensor, " dest"]:
    """Label the rows of one pattern with the post's taxonomy the usual way: dense boolean masks."""
    n = len(tokens)
    dest, src = torch.arange(n)[:, None], torch.arange(n)[None, :]
    causal = src <= dest
    inactive = ((src == 0) | (tokens[None, :] == eos)) & causal
    previous = (dest - src >= 1) & (dest - src <= WINDOW) & (src >= 1)
    after_copy = torch.zeros(n, n, dtype=torch.bool)
    after_copy[:, 2:] = tokens[:, None] == tokens[None, 1:-1]
    both = previous | (after_copy & (src < dest))
    masses = torch.stack([(pattern * mask).sum(-1) for mask in (inactive, previous, both)], -1)
    return first_reached(masses >= THRESHOLD)


def first_reached(enough: Bool[Tensor, "dest label"]) -> Int[Tensor, " dest"]:
    """Return the first label that holds, or one past the last."""
    return torch.where(enough.any(-1), enough.int().argmax(-1), enough.shape[-1])


@torch.inference_mode()
def notebook(bridge: Any, prompts: Int[Tensor, "prompt pos"], eos: int, **options: Any) -> list[Tensor]:
    """Run the bridge prompt by prompt with a cache, and label the head's rows."""
    labels = []
    for tokens in prompts:
        _, cache = bridge.run_with_cache(tokens[None], **options)
        labels.append(notebook_labels(cache["pattern", HEAD[0]][0, HEAD[1]], tokens, eos))
    return labels


@torch.inference_mode()
def matrix_products(model: AttentionOnly, prompts: Int[Tensor, "prompt pos"]) -> None:
    """Multiply the matrices that one head of layer 1 takes, and do nothing else.

    Layer 0: four projections and all heads' attention (fused and causal, the fastest there is); layer 1:
    query and key of one head, and their product.
    """
    layer, above = model.layers[:2]
    for tokens in prompts:
        x = model.residual_before(0, tokens[None])
        q, k, v = layer.sides(x)
        z = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = layer.write(z)
        rows = above.slice_of(HEAD[1])
        q, k = (functional.linear(x, side.weight[rows]) for side in (above.attn.q, above.attn.k))
        q @ k.transpose(1, 2)


@dataclass(frozen=True)
class Bench:
    """A model in both forms, its vocabulary, and prompts."""

    bridge: Any
    model: AttentionOnly
    vocabulary: Vocabulary
    prompts: Int[ndarray, "prompt pos"]

    def store(self, heads: Heads, prompts: Int[ndarray, "prompt pos"]) -> None:
        """Write the rows of the heads to files, which are thrown away."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [f"{folder}/{number}.parquet" for number in range(len(heads))]
            numbers = np.arange(len(prompts))
            write_tables(paths, tables_of_heads(self.model, self.vocabulary, heads, numbers, prompts, WINDOW))

    def variants(self, prompts: Int[ndarray, "prompt pos"]) -> dict[str, Callable[[], Any]]:
        """Return the ways of doing it, by letter."""
        tokens, eos = torch.from_numpy(prompts).long(), self.vocabulary.eos
        only = {"stop_at_layer": HEAD[0] + 1, "names_filter": f"blocks.{HEAD[0]}.attn.hook_pattern"}
        return {
            "a": lambda: notebook(self.bridge, tokens, eos),
            "b": lambda: notebook(self.bridge, tokens, eos, **only),
            "c": lambda: self.store([HEAD], prompts),
            "d": lambda: matrix_products(self.model, tokens),
            "all": lambda: self.store(EVERY_HEAD, prompts),
        }


def interleaved(bench: Bench, rounds: int, at_once: int) -> pd.DataFrame:
    """Time all variants in turns, `at_once` prompts a round; return seconds per prompt, one column each."""
    lines = []
    for number in range(rounds + 1):
        first = number * at_once % len(bench.prompts)
        variants = bench.variants(bench.prompts[first : first + at_once])
        lines.append({name: timed(work)[0] / at_once for name, work in variants.items()})
    return pd.DataFrame(lines[1:])  # the first round warms up


def times_and_ratios(seconds: pd.DataFrame, case: str) -> Iterator[dict[str, Any]]:
    """Yield medians with the fastest and slowest round; ratios are taken within a round."""
    found = {(NAMES[name], "s per prompt"): seconds[name] for name in seconds}
    found |= {
        ("(a) over (c)", "×"): seconds["a"] / seconds["c"],
        ("(b) over (c)", "×"): seconds["b"] / seconds["c"],
        ("(c) over (d)", "×"): seconds["c"] / seconds["d"],
        ("all 32 heads over one", "×"): seconds["all"] / seconds["c"],
    }
    for (name, unit), values in found.items():
        yield line(name, case, unit, values.median(), values.min(), values.max(), len(values))


def line(
    name: str, case: str, unit: str, value: float, low: float = np.nan, high: float = np.nan, rounds: int = 1
) -> dict[str, Any]:
    """Return one line of the table."""
    return dict(zip(COLUMNS, (name, case, unit, float(value), float(low), float(high), rounds), strict=True))


def parity(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield how far our patterns lie from the bridge's, and the rows on whose label (a) and we disagree."""
    tokens = torch.from_numpy(bench.prompts[:1]).long()
    with torch.inference_mode():
        _, cache = bench.bridge.run_with_cache(tokens)
        theirs = cache["pattern", HEAD[0]][0, HEAD[1]]
    ours = patterns(bench.model, [HEAD], tokens)[0, 0]
    yield line("largest difference of a pattern", "1 prompt", "weight", (ours - theirs).abs().max().item())
    one, other = (notebook_labels(found, tokens[0], bench.vocabulary.eos) for found in (ours, theirs))
    yield line("rows with another label", "1 prompt", "rows", int((one != other).sum()))


def store_many(weights: str, tokenizer: str, prompts: str, number: str, heads: str) -> None:
    """Store the rows of `number` prompts, shard by shard; print seconds, CPU seconds and peak memory in MiB.

    What a process of its own is started with; `heads` is one or all.
    """
    torch.set_num_threads(1)
    model = from_state(load_file(weights), SHAPES["published"].n_heads, 1e-5)
    bench = Bench(None, model, open_vocabulary(tokenizer), np.load(prompts))
    places = np.arange(int(number)) % len(bench.prompts)
    shards = [places[first : first + SHARD] for first in range(0, len(places), SHARD)]
    chosen = [HEAD] if heads == "one" else EVERY_HEAD
    before = time.process_time()

    def store_all() -> None:
        for shard in shards:
            bench.store(chosen, bench.prompts[shard])

    seconds = timed(store_all)[0]
    print(seconds, time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def scaling(
    weights: Path, prompts: Int[ndarray, "prompt pos"], number: int, heads: str
) -> Iterator[dict[str, Any]]:
    """Measure time and peak memory for a number of prompts in a process of its own."""
    saved = weights.with_suffix(".npy")
    np.save(saved, prompts)
    command = [sys.executable, "-m", "benchmarks.section1", weights, TOKENIZER, saved, number, heads]
    run = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    seconds, busy, peak = map(float, run.stdout.split())
    case = f"{number} prompts of {prompts.shape[1]} tokens, heads: {heads}"
    yield line("time", case, "s", seconds)
    yield line("CPU time", case, "s", busy)
    yield line("peak memory", case, "MiB", peak)


def real_prompts() -> Int[ndarray, "prompt pos"]:
    """Return prompts of 1024 tokens of the shipped corpus, whose tokens repeat as in real text."""
    tokens = pq.read_table(CORPUS, columns=["tokens"])["tokens"][:SEQUENCES].to_numpy()
    return np.stack(tokens).astype(np.int32).reshape(-1, 1024)


def run(rounds: int = 7, numbers: tuple[int, ...] = (100, 1000, 5000), seed: int = 0) -> pd.DataFrame:
    """Measure everything.

    Args:
        rounds: how often the variants take turns.
        numbers: numbers of prompts, of 256 tokens here, over which time should grow linearly.
        seed: of the random weights.

    Returns:
        measurement, case, unit, value (median), low, high (fastest and slowest round), rounds.
    """
    prompts = real_prompts()
    bench = Bench(*random_models(SHAPES["published"], seed), open_vocabulary(TOKENIZER), prompts)
    case = f"prompts of {prompts.shape[1]} tokens, threads: {torch.get_num_threads()}"
    lines = [*times_and_ratios(interleaved(bench, rounds, at_once=4), case), *parity(bench)]
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "model.safetensors"
        save_file({name: weight.contiguous() for name, weight in bench.bridge.state_dict().items()}, weights)
        for number in numbers:
            lines += scaling(weights, prompts.reshape(-1, 256), number, "one")
        for heads in ("one", "all"):
            lines += scaling(weights, prompts, 64, heads)
    return pd.DataFrame(lines, columns=COLUMNS)


if __name__ == "__main__" and len(sys.argv) > 2:  # a process that `scaling` started
    store_many(*sys.argv[1:])
elif __name__ == "__main__":
    torch.set_num_threads(1)
    table = run()
    print(table.to_string())
    for path in sys.argv[1:]:
        write_csv(path, table)
