"""Training: a function of the recipe and of the step, so that it can stop and go on at any time."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int64, UInt16
from numpy import ndarray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.files import replacing, sha256, write_csv
from polyhead.reference.model import LAYER_NORM_EPS, Transformer, next_token_loss
from polyhead.reference.optim import optimisers, rate_factor, set_rates
from polyhead.reference.probes import (
    all_tokens,
    head_evidence,
    held_out_loss,
    known_tokens,
    periods,
    repeated_induction,
    repeated_tokens,
)
from polyhead.reference.progress import Progress
from polyhead.reference.recipe import Recipe, TrainingRecipe
from polyhead.tokens import Vocabulary
from polyhead.transformer import AttentionOnly, from_state

PROBE_ROWS, PROBE_PROMPTS = 192, 12
PROBE_WINDOW, PROBE_THRESHOLD = 4, 0.95
CHECKPOINT, LOG = "last.pt", "log.csv"


@dataclass
class Training:
    """Everything that a checkpoint holds: weights, optimiser state, steps done, seconds spent, log so far.

    `data` is the hash of the tokenizer: a checkpoint does not go on with other tokens. `begun` is the step
    that the rates count from: 0, or where the weights had come to that the training goes on from.
    """

    recipe: Recipe
    data: str
    model: Transformer
    optimisers: list[torch.optim.Optimizer]
    step: int = 0
    begun: int = 0
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
            "shape": asdict(self.recipe.model),
            "data": self.data,
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "begun": self.begun,
            "seconds": self.seconds,
            "log": self.log,
        }
        with replacing(path) as temporary:
            torch.save(state, temporary)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; rates, weight decay and the budget stay the recipe's.

        Raises:
            PolyheadError: the checkpoint is of another model, or of another tokenizer.
        """
        state = torch.load(path, map_location=self.recipe.training.device, weights_only=True)
        if (state["shape"], state["data"]) != (asdict(self.recipe.model), self.data):
            raise PolyheadError(f"{path} is of another model or tokenizer; move it away to train anew")
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            for group, fresh in zip(saved["param_groups"], optimiser.param_groups, strict=True):
                group |= {name: value for name, value in fresh.items() if name != "params"}
            optimiser.load_state_dict(saved)
        self.step, self.begun = state["step"], state["begun"]
        self.seconds, self.log = state["seconds"], state["log"]

    def go_on_from(self, directory: Path) -> None:
        """Take over the weights of an exported model, and its log; the rates warm up anew.

        Raises:
            PolyheadError: the model is of another shape, or has another tokenizer.
        """
        weights = load_file(directory / "model.safetensors", device=self.recipe.training.device)
        own = {name: weight.shape for name, weight in self.model.state_dict().items()}
        if {name: weight.shape for name, weight in weights.items()} != own:
            raise PolyheadError(f"{directory} holds a model of another shape than the recipe's")
        if sha256(directory / "tokenizer.json") != self.data:
            raise PolyheadError(f"{directory} has another tokenizer than the training")
        self.model.load_state_dict(weights)
        self.log = pd.read_csv(directory / "training-log.csv").to_dict("records")
        self.step = self.begun = int(self.log[-1]["tokens"]) // self.recipe.training.tokens_per_step
        self.seconds = self.log[-1]["seconds"]


def start(recipe: Recipe, tokenizer: Path, folder: Path) -> Training:
    """Return the training of the folder's checkpoint, else the recipe's, which may go on from a model."""
    torch.manual_seed(recipe.training.seed)
    vocabulary = Tokenizer.from_file(str(tokenizer)).get_vocab_size()
    model = Transformer(recipe.model, vocabulary).to(recipe.training.device)
    training = Training(recipe, sha256(tokenizer), model, optimisers(model, recipe.training))
    if (folder / CHECKPOINT).is_file():
        training.load(folder / CHECKPOINT)
    elif recipe.training.go_on_from:
        training.go_on_from(Path(recipe.training.go_on_from))
    return training


def train(
    training: Training,
    rows: UInt16[ndarray, "row pos"],
    held_out: UInt16[ndarray, "held_row pos"],
    vocabulary: Vocabulary,
    folder: Path,
) -> None:
    """Train until the budget is spent; checkpoint and log lie in `folder`, progress goes to the screen.

    Raises:
        PolyheadError: the loss is no longer a number.
    """
    recipe = training.recipe.training
    loss_of = compiled_loss(training.model, training.recipe)
    saved, cores = time.monotonic(), torch.get_num_threads()
    with Progress(training.tokens, recipe.tokens) as progress, workers(recipe) as pool:
        while training.step < training.steps:
            begun = time.monotonic()
            batch = batch_at(rows, training.step, training.recipe)
            loss = one_step(training, loss_of, batch, pool, scheduled(training, training.step))
            if not np.isfinite(loss):
                raise PolyheadError(
                    f"the loss became {loss} after {training.tokens:,} tokens: lower the rates"
                )
            training.step += 1
            training.seconds += time.monotonic() - begun
            progress.report(training.tokens, loss)
            if crossed(training, recipe.evaluate_tokens):
                with torch_threads(cores):
                    training.log.append(measure(training, loss, held_out, vocabulary))
                write_csv(folder / LOG, pd.DataFrame(training.log))
            if time.monotonic() - saved > recipe.checkpoint_seconds or training.step == training.steps:
                training.save(folder / CHECKPOINT)
                saved = time.monotonic()


@contextmanager
def workers(recipe: TrainingRecipe) -> Iterator[ThreadPoolExecutor]:
    """Open as many workers as torch has threads, each with one of its own; a single one for a GPU.

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
    loss_of: Callable[[Tensor], Tensor],
    rows: Int64[Tensor, "row pos"],
    pool: ThreadPoolExecutor,
    factor: float,
) -> float:
    """Move the weights by one step at `factor` times the full rates, the workers sharing the batch.

    Returns the batch's mean loss.
    """
    recipe = training.recipe.training
    parameters = list(training.model.parameters())

    def gradients(part: Tensor) -> tuple[float, tuple[Tensor, ...]]:
        loss = loss_of(part) * (len(part) / len(rows))
        return loss.item(), torch.autograd.grad(loss, parameters)

    losses, parts = zip(*pool.map(gradients, rows.split(recipe.rows_per_pass)), strict=True)
    for parameter, *gradient in zip(parameters, *parts, strict=True):
        parameter.grad = sum(gradient[1:], gradient[0])
    set_rates(training.optimisers, factor)
    list(pool.map(lambda optimiser: optimiser.step(), training.optimisers))
    return sum(losses)


def scheduled(training: Training, step: int | float) -> float:
    """Return the share of the full rates at a step of the recipe's schedule."""
    recipe, begun = training.recipe.training, training.begun
    return rate_factor(step - begun, training.steps - begun, recipe.warm_up_steps, recipe.decay_share)


def compiled_loss(model: Transformer, recipe: Recipe) -> Callable[[Tensor], Tensor]:
    """Return the loss of a batch as a function, in the recipe's precision, compiled if it says so."""
    device, precision = recipe.training.device, precision_of(recipe.training)

    def loss_of(rows: Tensor) -> Tensor:
        with torch.autocast(device, dtype=precision, enabled=precision is not torch.float32):
            return next_token_loss(model, rows.to(device))

    return torch.compile(loss_of) if recipe.training.compile else loss_of


def precision_of(recipe: TrainingRecipe) -> torch.dtype:
    """Return the precision of matrix products; `auto` is bfloat16 where the device computes in it.

    A processor that does not emulates it, and takes many times as long as with float32.
    """
    if recipe.precision != "auto":
        return getattr(torch, recipe.precision)
    able = torch.cpu.get_capabilities() if recipe.device == "cpu" else {"amx_bf16": True}
    return torch.bfloat16 if able.get("amx_bf16") or able.get("avx512_bf16") else torch.float32


def batch_at(rows: UInt16[ndarray, "row pos"], step: int, recipe: Recipe) -> Int64[Tensor, "batch pos"]:
    """Return the rows of one step: every epoch goes through all rows in an order of its own."""
    size = recipe.training.tokens_per_step // recipe.model.context
    per_epoch = len(rows) // size
    if per_epoch == 0:
        raise PolyheadError(f"a step takes {size} rows, the corpus has {len(rows)}")
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng([recipe.training.seed, epoch]).permutation(len(rows))
    return torch.from_numpy(rows[order[place * size : (place + 1) * size]].astype(np.int64))


def crossed(training: Training, every: int) -> bool:
    """Say whether the last step completed another `every` tokens, or the budget."""
    before = training.tokens - training.recipe.training.tokens_per_step
    return training.tokens // every > before // every or training.step == training.steps


def measure(
    training: Training, loss: float, held_out: UInt16[ndarray, "held_row pos"], vocabulary: Vocabulary
) -> dict[str, int | float]:
    """Return one line of the log: held-out loss (nats per token) and the best of all heads, on few rows."""
    model = plain(training.model, training.recipe.model.heads)
    prompts = held_out[:PROBE_PROMPTS].astype(np.int32)
    short, long, any_token = random_probes(training.recipe, held_out, vocabulary)
    heads = head_evidence(model, vocabulary, prompts, short, PROBE_WINDOW, PROBE_THRESHOLD)
    nats, top1 = held_out_loss(model, held_out[:PROBE_ROWS])
    return {
        "tokens": training.tokens,
        "seconds": training.seconds,
        "loss": loss,
        "held_out_loss": nats,
        "held_out_top1": top1,
        "induction_repeated": float(heads["induction_repeated"].max()),
        "induction_repeated_long": float(repeated_induction(model, long).max()),
        "induction_repeated_any": float(repeated_induction(model, any_token).max()),
        "previous": float(heads["previous"].max()),
        "unknown_share": float(heads["unknown_share"].min()),
    }


def random_probes(
    recipe: Recipe, held_out: UInt16[ndarray, "held_row pos"], vocabulary: Vocabulary
) -> tuple[ndarray, ndarray, ndarray]:
    """Return random tokens twice: a few that text has, half a context of these, half a context of any."""
    known, every = known_tokens(held_out, vocabulary), all_tokens(vocabulary)
    few, half = periods(recipe.evaluation.repeated_tokens, recipe.model.context)
    sequences = ((few, known), (half, known), (half, every))
    return tuple(repeated_tokens(PROBE_PROMPTS, *sequence, vocabulary.bos, seed=0) for sequence in sequences)


def plain(model: Transformer, heads: int) -> AttentionOnly:
    """Return the plain form of the weights as they are now, on the CPU."""
    state = {name: weight.detach().float().cpu() for name, weight in model.state_dict().items()}
    return from_state(state, heads, LAYER_NORM_EPS)
