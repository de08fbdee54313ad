"""One head by hand: what a researcher calls from a notebook, without a study and without Snakemake."""

from __future__ import annotations

import html
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from tqdm import tqdm

from polyhead.ablation import patching
from polyhead.ablation.real_text import log_probability
from polyhead.attention.behaviours import BEHAVIOURS
from polyhead.attention.labels import Atoms, Definitions, read_atoms
from polyhead.attention.rows import shard_tables
from polyhead.config import model_to_open, parse_head
from polyhead.edges.classes import CLASSES, class_masses
from polyhead.errors import PolyheadError
from polyhead.files import write_text
from polyhead.model import opening
from polyhead.model.fetching import fetch_model
from polyhead.model.head import Head
from polyhead.model.protocol import Model
from polyhead.model.shape import Shape, read_shape
from polyhead.model.vocabulary import Vocabulary
from polyhead.prompts.texts import whole_characters
from polyhead.report import explorer_rows as explored
from polyhead.report.explorer import explorer_page
from polyhead.report.explorer_rows import LONGEST, Asked, Shown

Prompt = str | Sequence[int] | Tensor | ndarray
"""A text, or the tokens of a prompt, BOS first."""
MOST_TOKENS = 4096
"""Tokens of all prompts of an exploration: what a page of 6 MB has room for."""
BAR = "{desc} {percentage:.0f} %|{bar}| {remaining} left"


@dataclass(frozen=True)
class OpenModel:
    """A model with its sizes and its vocabulary."""

    model: Model
    vocabulary: Vocabulary
    shape: Shape

    def __repr__(self) -> str:
        return f"OpenModel({self.shape})"

    def to_tokens(self, prompt: Prompt) -> Int[ndarray, " pos"]:
        """Return the tokens of a text behind BOS; tokens come back as they are.

        Raises:
            PolyheadError: the tokens do not start with BOS, are fewer than two, are not of this vocabulary,
                or are more than the model reads; the text holds half a surrogate pair.
        """
        if isinstance(prompt, str) and prompt != whole_characters(prompt):
            raise PolyheadError("the text holds half a surrogate pair, which is no character")
        given = [self.vocabulary.bos, *self.vocabulary.encode(prompt)] if isinstance(prompt, str) else prompt
        tokens = np.asarray(given)
        whole = tokens.dtype.kind in "iu" and tokens.ndim == 1 and len(tokens) >= 2
        if not whole or tokens[0] != self.vocabulary.bos:
            named = reprlib.repr(prompt if isinstance(prompt, str) else tokens.tolist())
            raise PolyheadError(
                f"a prompt is a text, or a list of tokens: BOS ({self.vocabulary.bos}) and one more; "
                f"given: {named}"
            )
        if len(wrong := tokens[(tokens < 0) | (tokens >= self.shape.d_vocab)]):
            raise PolyheadError(f"tokens are numbers from 0 to {self.shape.d_vocab - 1}; given: {wrong[0]}")
        if len(tokens) > self.shape.n_ctx:
            raise PolyheadError(
                f"the prompt has {len(tokens)} tokens, BOS included; the model reads {self.shape.n_ctx}"
            )
        return tokens.astype(np.int64)

    def to_labels(self, prompt: Prompt) -> list[str]:
        r"""Return the prompt's tokens as they are printed everywhere: `·` is a space, `⏎` a newline.

        >>> open_model("resources/reference-model").to_labels("def f(x):\n    return")
        ['<|BOS|>', 'def', '·f', '(', 'x', '):', '⏎[·×3]', '·return']
        """
        return [self.vocabulary.labels[token] for token in self.to_tokens(prompt)]


def open_model(model: Path | str | Mapping[str, Any], opening_token: str | None = None) -> OpenModel:
    """Open a model in float32, with its vocabulary.

    Args:
        model: what a study's config takes: a folder in TransformerLens' native form or as transformers saves
            it, a GGUF file, or a section as a dictionary, such as `{"repo": "gpt2"}`. All but the first are
            converted in a temporary folder.
        opening_token: which token opens a prompt, where the tokenizer puts none in front of a text.

    Raises:
        PolyheadError: a file is missing or damaged, the architecture is not known, or it is not known which
            token opens a prompt.

    >>> open_model("resources/reference-model").shape.n_layers
    4
    """
    found = model_to_open(model, opening_token)
    if isinstance(found, Path):
        return OpenModel(*opening.open_model(found), read_shape(found))
    with TemporaryDirectory(prefix="polyhead-") as folder:
        fetch_model(found.model_dump(), folder, opening_token)
        return OpenModel(*opening.open_model(folder), read_shape(folder))


def attention_rows(
    model: OpenModel,
    head: str,
    prompts: Prompt | Sequence[str],
    taxonomy: str = "post",
    threshold: float = 0.95,
    window: int = 4,
) -> pd.DataFrame:
    """Return the attention rows of one head, labelled: one line per destination from position 1 on.

    Args:
        model: from `open_model`.
        head: layer and head, `"1.3"` or `"L1H3"`.
        prompts: a text, a list of texts, or the tokens of one prompt, BOS first.
        taxonomy: `"post"`: previous, inactive (BOS or EOS), previous+induction, or unknown; `"extended"`: the
            smallest set of behaviours that reaches the threshold, joined by `+`.
        threshold: attention mass that a behaviour needs to name a row (τ), above 0 and at most 1.
        window: how many positions back count as `previous` (K).

    Returns:
        prompt, position, token_label, label; one column per behaviour, with the attention mass on the sources
        for which it holds (behaviours overlap, so these do not sum to 1); top_source, top_source_label and
        top_weight; atoms, the mass on each exact set of behaviours, which does sum to 1.

    Raises:
        PolyheadError: no such head, taxonomy or window, or a prompt that the model cannot read.

    >>> model = open_model("resources/reference-model")
    >>> rows = attention_rows(model, "1.0", ["def f(x):", "for key in"])
    >>> rows[["prompt", "position", "token_label"]].iloc[[0, 4, 5]]
       prompt  position token_label
    0       0         1         def
    4       0         5          ):
    5       1         1         for
    >>> round(sum(rows["atoms"][4].values()), 3)
    1.0
    """
    place, _ = parse_head(head, model.shape), Definitions(window, threshold, [taxonomy])
    frames = [
        _rows_of_prompt(model, place, model.to_tokens(prompt), window).assign(prompt=number)
        for number, prompt in enumerate(_each(prompts))
    ]
    rows = pd.concat(frames, ignore_index=True)
    rows.insert(3, "label", label_rows(rows, taxonomy, threshold))
    return rows


def _rows_of_prompt(model: OpenModel, head: Head, tokens: Int[ndarray, " pos"], window: int) -> pd.DataFrame:
    [table] = shard_tables(model.model, model.vocabulary, [head], np.zeros(1, int), tokens[None], window)
    atoms, sources, labels = read_atoms(table), table["top_source"].to_numpy(), model.vocabulary.labels
    bits = [(1 << bit, name) for bit, name in enumerate(BEHAVIOURS)]
    names = ["+".join(name for bit, name in bits if mask & bit) or "none" for mask in atoms.masks.tolist()]
    masses = atoms.union_mass([[name] for name in BEHAVIOURS])
    return pd.DataFrame(
        {
            "prompt": 0,
            "position": table["position"].to_numpy(),
            "token_label": [labels[token] for token in tokens[1:]],
            **dict(zip(BEHAVIOURS, masses.T, strict=True)),
            "top_source": sources,
            "top_source_label": [labels[tokens[source]] for source in sources],
            "top_weight": table["top_weight"].to_numpy(),
            "atoms": [dict(zip(names, map(float, row), strict=True)) for row in atoms.masses],
        }
    )


def label_rows(rows: pd.DataFrame, taxonomy: str = "post", threshold: float = 0.95) -> pd.Series:
    r"""Label rows of one or more tables of `attention_rows` anew, by their column `atoms`, without the model.

    Raises:
        PolyheadError: no such taxonomy, or a threshold out of its range; see `attention_rows` for both.

    >>> model = open_model("resources/reference-model")
    >>> rows = attention_rows(model, "1.0", "def f(x):\n    return")
    >>> label_rows(rows, "extended", threshold=0.9).shape
    (7,)
    """
    definitions = Definitions(1, threshold, [taxonomy])
    labels = definitions.labels(_stacked(rows["atoms"].tolist()))[taxonomy]
    return pd.Series(np.asarray(labels), rows.index, name=taxonomy)


def _stacked(rows: Sequence[Mapping[str, float]]) -> Atoms:
    names = list(dict.fromkeys(name for row in rows for name in row))
    bits = {name: 1 << bit for bit, name in enumerate(BEHAVIOURS)} | {"none": 0}
    masks = np.array([sum(bits[part] for part in name.split("+")) for name in names], np.int64)
    masses = np.array([[row.get(name, 0.0) for name in names] for row in rows], np.float32)
    return Atoms(masses.reshape(len(rows), len(names)), masks, tuple(BEHAVIOURS))


def ablate(
    model: OpenModel,
    head: str,
    prompt: Prompt,
    destinations: int | np.integer | Sequence[int] | ndarray,
    method: str = "bos",
    top: int | None = 10,
) -> pd.DataFrame:
    r"""Return what the model expects after the prompt: clean, and with the head ablated at a destination.

    Args:
        model: from `open_model`.
        head: layer and head, `"1.3"` or `"L1H3"`.
        prompt: a text, or tokens, BOS first.
        destinations: position or positions at which the head is ablated, one at a time; −1 is the last.
        method: `"bos"`, all attention on BOS as in the post; `"zero"`, the head writes nothing.
        top: how many tokens to list per destination, by the larger of both probabilities; None: all.

    Returns:
        destination, destination_label, token_label, clean, ablated: probabilities of the next token.

    Raises:
        PolyheadError: no such head, destination or method, or an ablation that changes nothing.

    >>> model = open_model("resources/reference-model")
    >>> text = "for key in keys:\n    del self.data[key]\n    del self"
    >>> found = ablate(model, "1.0", text, -1, top=2)
    >>> found.columns.tolist()
    ['destination', 'destination_label', 'token_label', 'clean', 'ablated']
    """
    place, tokens = parse_head(head, model.shape), model.to_tokens(prompt)
    if method not in ("bos", "zero"):
        raise PolyheadError(f"no method {method!r} for one prompt; there are bos, zero")
    given = np.atleast_1d(np.asarray(destinations)).tolist()
    last = len(tokens) - 1
    wrong = [one for one in given if not isinstance(one, int) or not 1 <= abs(one) <= last]
    if wrong or not given:
        what = wrong[0] if wrong else "given"
        raise PolyheadError(
            f"no destination {what}; the prompt's are 1 to {last} (0 is BOS), or −1 for the last"
        )
    dests = [one % len(tokens) for one in given]
    clean, *ablated = next_token_probabilities(model.model, place, tokens, dests, method)
    frames, labels = [], model.vocabulary.labels
    for dest, after in zip(dests, ablated, strict=True):
        order = np.argsort(-np.maximum(clean, after), kind="stable")[:top]
        columns: dict[str, Any] = {"destination": dest, "destination_label": labels[tokens[dest]]}
        columns |= {"token_label": [labels[token] for token in order]}
        frames.append(pd.DataFrame(columns | {"clean": clean[order], "ablated": after[order]}))
    return pd.concat(frames, ignore_index=True)


def edge_costs(model: OpenModel, head: str, prompt: Prompt, window: int = 4) -> pd.DataFrame:
    r"""Return what each class of edges of one head is worth at each row of a prompt.

    The edges of a class are cut at one destination at a time, and the head's mean output over the prompt's
    rows takes their place; the cost is what the log probability of the next token loses (nats). Arguments are
    as in `attention_rows`, for one prompt.

    Returns:
        position, token_label, next_label (the last token has none, and no row); one column per class of
        edges, see `polyhead.edges.classes`. NaN where the row has less than 5 % of its mass on the class.

    Raises:
        PolyheadError: no such head, or a prompt that the model cannot read.

    >>> model = open_model("resources/reference-model")
    >>> found = edge_costs(model, "1.0", "for key in keys:\n    del self")
    >>> found.columns.tolist()[:7]
    ['position', 'token_label', 'next_label', 'sink', 'current', 'ambiguous', 'previous']
    """
    place, tokens = parse_head(head, model.shape), model.to_tokens(prompt)
    asked = Asked(model.model, model.vocabulary, place, Definitions(window, threshold=0.95))
    found = explored.costs(explored.with_own_mean(asked, tokens), tokens, class_masses(asked.atoms(tokens)))
    labels = model.to_labels(tokens)
    facts = {"position": range(1, len(tokens) - 1), "token_label": labels[1:-1], "next_label": labels[2:]}
    return pd.DataFrame(facts | dict(zip(CLASSES, found[:-1].T, strict=True)))


@dataclass(frozen=True)
class Exploration:
    """A page about prompts of one's own: a notebook shows it, `save` writes it."""

    page: str
    about: str

    def __repr__(self) -> str:
        return f"Exploration({self.about}; .save(path) writes the page)"

    def save(self, path: Path | str) -> None:
        """Write the page, a single file that loads nothing."""
        write_text(Path(path), self.page)

    def _repr_html_(self) -> str:
        frame = 'style="width: 100%; height: 52rem; border: 0" title="Rows of an attention head"'
        return f'<iframe srcdoc="{html.escape(self.page)}" {frame}></iframe>'


def explore(
    model: OpenModel,
    head: str,
    prompts: Prompt | Sequence[str],
    answers: str | Sequence[str] | None = None,
    method: str = "bos",
    threshold: float = 0.95,
    window: int = 4,
) -> Exploration:
    r"""Return a page about prompts of your own, in which any token is a destination whose row is drawn.

    Beside rows, labels and edge classes it shows for every token the first predictions after it, clean and
    with the head ablated there, and what the last token's prediction loses with the head ablated at each
    position in turn. A notebook shows the page; `.save(path)` writes it.

    Above the head every position costs a run of the layers from there on: 256 tokens of SmolLM2 (135 million
    weights, 30 layers) take two cores about 12 s for a head of layer 23, 25 s of layer 15, 46 s of layer 2.

    Arguments are as in `attention_rows`, with prompts of at least two tokens, and besides: `answers`, the
    token whose probability after the last one is read, as text, one for each prompt (None: the model's first
    choice); `method`, what takes the place of the head's output: `"bos"`, its output at BOS as in the post,
    `"mean"`, its mean over the prompt's rows, or `"zero"`.

    Raises:
        PolyheadError: no such head or method, an answer that is not one token, a prompt that the model cannot
            read, or prompts longer than a page shows.

    >>> model = open_model("resources/reference-model")
    >>> explore(model, "1.0", "for key in keys:\n    del self.data[key]\n    del self", ".")
    Exploration(head 1.0 on 1 prompt; .save(path) writes the page)
    """
    place = parse_head(head, model.shape)
    if method not in ("bos", "mean", "zero"):
        raise PolyheadError(f"no method {method!r}; there are bos, mean, zero")
    tokens = [model.to_tokens(prompt) for prompt in _each(prompts)]
    given = [answers] * len(tokens) if answers is None or isinstance(answers, str) else list(answers)
    if len(given) != len(tokens):
        raise PolyheadError(f"{len(tokens)} prompts and {len(given)} answers given")
    wanted = [None if answer is None else model.vocabulary.single(answer) for answer in given]
    lengths = [len(one) for one in tokens]
    if max(lengths) > LONGEST:
        raise PolyheadError(f"a prompt has {max(lengths)} tokens; a page shows {LONGEST}")
    if sum(lengths) > MOST_TOKENS:
        raise PolyheadError(f"the prompts have {sum(lengths)} tokens together; a page shows {MOST_TOKENS}")
    definitions = Definitions(window, threshold)
    asked = Asked(model.model, model.vocabulary, place, definitions, method=patching.Method(method))
    records = [_record(asked, number, *one) for number, one in enumerate(zip(tokens, wanted, strict=True))]
    page = explorer_page(explored.page_data(asked, records), f"a model of {model.shape}", "your own prompts")
    return Exploration(page, f"head {place} on {len(tokens)} prompt{'s' * (len(tokens) != 1)}")


def _record(asked: Asked, number: int, tokens: Int[ndarray, " pos"], answer: int | None) -> dict[str, Any]:
    shown = Shown(str(number), "text", "your text", "your text", tokens, len(tokens))
    last = last_prediction(asked, tokens, answer)
    return explored.prompt_record(explored.with_own_mean(asked, tokens), shown) | {"last": last}


def _each(prompts: Prompt | Sequence[str]) -> Sequence[Prompt]:
    texts = isinstance(prompts, list | tuple) and all(isinstance(one, str) for one in prompts)
    several: Sequence[Prompt] = prompts if texts else [prompts]  # type: ignore[assignment,list-item]
    if not len(several):
        raise PolyheadError("no prompt given")
    return several


@torch.inference_mode()
def last_prediction(asked: Asked, tokens: Int[ndarray, " pos"], answer: int | None) -> dict[str, Any]:
    """Return the answer's probability after the last token: `clean`, and `ablated` at each position.

    Without an answer, that of the model's first choice.
    """
    model, residual, dests = asked.model, asked.residual(tokens), list(range(1, len(tokens)))
    change, run = explored.ablation_change(asked, residual), model.clean_runs(asked.head.layer, residual)[0]
    bar = partial(tqdm, desc="ablated at each position:", delay=1, leave=False, bar_format=BAR)
    heads = [asked.head.number] * len(dests)
    streams = patching.ablated_runs(run, heads, change[:, 1:], dests, bar)[0]
    token = int(model.logits(streams[0]).argmax()) if answer is None else answer
    found = log_probability(model, streams, torch.full((len(streams),), token)).exp().cpu().numpy()
    return {"answer": token, "clean": float(found[0]), "ablated": explored.coded(found[1:], "<f4")}


@torch.inference_mode()
def next_token_probabilities(
    model: Model, head: Head, tokens: Int[ndarray, " pos"], destinations: list[int], method: str
) -> Float[ndarray, "run vocabulary"]:
    """Return the next token's probabilities: of the clean run, then of the ablation at each destination."""
    layer, number = head
    residual = model.residual_before(layer, torch.from_numpy(tokens)[None])
    edit = partial(patching.replacement, method=method)
    change = patching.head_change(model.layers[layer], number, residual, edit)
    patching.require_change(model, change, layer, number)
    heads, clean = [number] * len(destinations), model.clean_runs(layer, residual)[0]
    runs = patching.ablated_runs(clean, heads, change[:, destinations], destinations)
    return model.logits(runs[0]).softmax(-1).numpy()
