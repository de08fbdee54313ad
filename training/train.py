"""Training: a function of the recipe and of the step, so that it can stop and go on at any time."""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int64, UInt16
from numpy import ndarray
from tokenizers import Tokenizer
from torch import Tensor

from polyhead.attention.labels import Definitions
from polyhead.errors import PolyheadError
from polyhead.files import replacing, write_csv
from polyhead.model.transformer import AttentionOnly, from_state
from polyhead.model.vocabulary import Vocabulary
from training.measure import held_out_loss, named_rows, row_entropy
from training.model import LAYER_NORM_EPS, new_model, next_token_loss
from training.optim import optimisers, rate_factor
from training.recipe import Recipe, TrainingRecipe
from training.record import environment, fingerprints

PROBE_SEQUENCES, PROBE_PROMPTS = 192, 12
PROBE_DEFINITIONS = Definitions(window=4, threshold=0.95)
CHECKPOINT, LOG = "last.pt", "log.csv"
LINE_SECONDS = 60  # between two lines about the progress
LossOf = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass
class Training:
    """Everything that a checkpoint holds: weights, optimiser state, steps done, seconds spent, log so far.

    `hashes` are those of recipe, corpus and tokenizer: a checkpoint goes on with the same ones only.
    `resumptions` counts how often it was stopped and went on.
    """

    recipe: Recipe
    hashes: dict[str, str]
    model: AttentionOnly
    optimisers: list[torch.optim.Optimizer]
    step: int = 0
    resumptions: int = 0
    seconds: float = 0.0
    log: list[dict[str, int | float]] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Return the number of steps that the budget allows."""
        return self.recipe.training.tokens // self.recipe.training.tokens_per_step

    @property
    def tokens(self) -> int:
        """Return how many tokens were trained on."""
        return self.step * self.recipe.training.tokens_per_step

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "hashes": self.hashes,
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "steps": self.steps,
            "tokens": self.tokens,
            "resumptions": self.resumptions,
            "seconds": self.seconds,
            "seed": self.recipe.training.seed,
            "environment": environment(self.recipe.training.device, precision_of(self.recipe.training)),
            "log": self.log,
        }
        with replacing(path) as temporary:
            torch.save(state, temporary)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint, and count that in it if there is anything left to do.

        Raises:
            PolyheadError: the checkpoint is of another recipe, corpus or tokenizer.
        """
        state = torch.load(path, map_location=self.recipe.training.device, weights_only=True)
        if changed := [name for name in self.hashes if state["hashes"].get(name) != self.hashes[name]]:
            raise PolyheadError(
                f"{path} was begun with another {' and '.join(changed)}; a training is never steered: "
                "restore what was changed, or move the checkpoint away to train anew"
            )
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step, self.resumptions = state["step"], state["resumptions"]
        self.seconds, self.log = state["seconds"], state["log"]
        if self.step < self.steps:
            self.resumptions += 1
            self.save(path)


def start(
    recipe: Recipe, tokenizer: Path, sequences: UInt16[ndarray, "sequence pos"], folder: Path
) -> Training:
    """Return the training of the folder's checkpoint, else a new one; weights are drawn by the seed."""
    torch.manual_seed(recipe.training.seed)
    vocabulary = Tokenizer.from_file(str(tokenizer)).get_vocab_size()
    model = new_model(recipe.model, vocabulary, recipe.training.sinusoids).to(recipe.training.device)
    hashes = fingerprints(recipe, tokenizer, sequences)
    training = Training(recipe, hashes, model, optimisers(model, recipe.training))
    if (folder / CHECKPOINT).is_file():
        training.resume(folder / CHECKPOINT)
    return training


def train(
    training: Training,
    sequences: UInt16[ndarray, "sequence pos"],
    held_out: UInt16[ndarray, "held_out_sequence pos"],
    vocabulary: Vocabulary,
    folder: Path,
) -> None:
    """Train until the budget is spent; checkpoint and log lie in `folder`, progress goes to the screen.

    Raises:
        PolyheadError: the loss is no longer a number.
    """
    recipe = training.recipe.training
    loss_of = compiled_loss(training.model, training.recipe)
    saved, cores, tell = time.monotonic(), torch.get_num_threads(), progress(training)
    with workers(recipe) as pool:
        while training.step < training.steps:
            begun = time.monotonic()
            batch = batch_at(sequences, training.step, training.recipe)
            loss = one_step(training, loss_of, batch, pool)
            if not np.isfinite(loss):
                raise PolyheadError(f"the loss became {loss} after {training.tokens} tokens: lower the rates")
            training.step += 1
            training.seconds += time.monotonic() - begun
            tell(loss)
            if crossed(training, recipe.evaluate_tokens):
                with torch_threads(cores):
                    training.log.append(measure(training, loss, held_out, vocabulary))
                write_csv(folder / LOG, pd.DataFrame(training.log))
            if time.monotonic() - saved > recipe.checkpoint_seconds or training.step == training.steps:
                training.save(folder / CHECKPOINT)
                saved = time.monotonic()


@contextmanager
def workers(recipe: TrainingRecipe) -> Iterator[ThreadPoolExecutor]:
    """Open one worker for each of torch's threads, with a thread of its own; for a GPU a single worker.

    Workers that never wait for each other within a pass lose less on a busy machine than torch's own threads,
    which meet after every operation.
    """
    threads = torch.get_num_threads()
    count = threads if recipe.device == "cpu" else 1
    own = threads // count
    with torch_threads(own), ThreadPoolExecutor(count, "", torch.set_num_threads, (own,)) as pool:
        yield pool


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Give torch's operations `count` threads here, and the former number afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_step(
    training: Training,
    loss_of: LossOf,
    sequences: Int64[Tensor, "sequence pos"],
    pool: ThreadPoolExecutor,
) -> float:
    """Move the weights by one step, the workers sharing the batch; return its loss without the penalty."""
    recipe = training.recipe.training
    factor = rate_factor(training.step, training.steps, recipe.warm_up_steps, recipe.decay_share)
    penalty = recipe.entropy_penalty * min(1.0, 2 * training.step / training.steps)
    parameters = list(training.model.parameters())

    def gradients(part: Tensor) -> tuple[float, tuple[Tensor, ...]]:
        loss, entropy = loss_of(part)
        share = len(part) / len(sequences)
        return share * loss.item(), torch.autograd.grad(share * (loss + penalty * entropy), parameters)

    losses, parts = zip(*pool.map(gradients, sequences.split(recipe.sequences_per_pass)), strict=True)
    for parameter, *gradient in zip(parameters, *parts, strict=True):
        parameter.grad = sum(gradient[1:], gradient[0])
    for group in (group for optimiser in training.optimisers for group in optimiser.param_groups):
        group["lr"] = factor * group["full_rate"]
    list(pool.map(lambda optimiser: optimiser.step(), training.optimisers))
    return sum(losses)


def compiled_loss(model: AttentionOnly, recipe: Recipe) -> LossOf:
    """Return loss and row entropy of a batch as a function, in the recipe's precision."""
    device, precision = recipe.training.device, precision_of(recipe.training)

    def loss_of(sequences: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(device, dtype=precision, enabled=precision is not torch.float32):
            return next_token_loss(model, sequences.to(device))

    return torch.compile(loss_of) if recipe.training.compile else loss_of


def precision_of(recipe: TrainingRecipe) -> torch.dtype:
    """Return the precision of matrix products; `auto` is bfloat16 where the device computes in it.

    A processor that does not emulates it, and takes many times as long as with float32.
    """
    if recipe.precision != "auto":
        return getattr(torch, recipe.precision)
    able = torch.cpu.get_capabilities() if recipe.device == "cpu" else {"amx_bf16": True}
    return torch.bfloat16 if able.get("amx_bf16") or able.get("avx512_bf16") else torch.float32


def batch_at(
    sequences: UInt16[ndarray, "sequence pos"], step: int, recipe: Recipe
) -> Int64[Tensor, "batch pos"]:
    """Return the sequences of one step: every epoch goes through all in an order of its own."""
    size = recipe.training.tokens_per_step // recipe.model.context
    per_epoch = len(sequences) // size
    if per_epoch == 0:
        raise PolyheadError(f"a step takes {size} sequences, the corpus has {len(sequences)}")
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng([recipe.training.seed, epoch]).permutation(len(sequences))
    return torch.from_numpy(sequences[order[place * size : (place + 1) * size]].astype(np.int64))


def crossed(training: Training, every: int) -> bool:
    """Say whether the last step completed another `every` tokens, or the budget."""
    before = training.tokens - training.recipe.training.tokens_per_step
    return training.tokens // every > before // every or training.step == training.steps


def measure(
    training: Training,
    loss: float,
    held_out: UInt16[ndarray, "held_out_sequence pos"],
    vocabulary: Vocabulary,
) -> dict[str, int | float]:
    """Return one line of the log, on few sequences: losses (nats per token), entropy of rows, rows unknown.

    `unknown_share` is that of the head most of whose rows have one of the post's labels.
    """
    state = {name: weight.detach().float().cpu() for name, weight in training.model.state_dict().items()}
    model = from_state(state, training.recipe.model.heads, LAYER_NORM_EPS)
    prompts = held_out[:PROBE_PROMPTS].astype(np.int32)
    nats, top1 = held_out_loss(model, held_out[:PROBE_SEQUENCES])
    return {
        "tokens": training.tokens,
        "seconds": training.seconds,
        "loss": loss,
        "held_out_loss": nats,
        "held_out_top1": top1,
        "row_entropy": row_entropy(model, prompts),
        "unknown_share": 1 - float(named_rows(model, vocabulary, prompts, PROBE_DEFINITIONS)["post"].max()),
    }


def progress(training: Training) -> Callable[[float], None]:
    """Return a function that is told every step's loss, and prints now and then how far the training is."""
    first, since, spoken = training.tokens, time.monotonic(), 0.0
    budget = training.recipe.training.tokens

    def tell(loss: float) -> None:
        nonlocal spoken
        if (now := time.monotonic()) - spoken > LINE_SECONDS:
            spoken, rate = now, (training.tokens - first) / (now - since)
            minutes = (budget - training.tokens) / max(rate, 1e-9) / 60
            done = f"{training.tokens / 1e6:.2f} of {budget / 1e6:.0f}M tokens, {rate:,.0f} a second"
            print(f"{done}; loss {loss:.3f}; {minutes:.0f} minutes left", file=sys.__stderr__, flush=True)

    return tell
