"""The explorer for prompts of one's own, without a study."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from numpy import ndarray
from tqdm import tqdm

from polyhead.ablation.patching import ablated_runs
from polyhead.ablation.real_text import log_probability
from polyhead.errors import PolyheadError
from polyhead.files import write_text
from polyhead.report.explorer import explorer_page
from polyhead.report.explorer_rows import (
    LONGEST,
    Asked,
    Shown,
    ablation_change,
    coded,
    page_data,
    prompt_record,
    with_own_mean,
)

MOST_TOKENS = 4096
"""Tokens of all prompts together: what a page of 6 MB has room for."""
BAR = "{desc} {percentage:.0f} %|{bar}| {remaining} left"
progress = partial(tqdm, desc="ablated at each position:", delay=1, leave=False, bar_format=BAR)


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


def own_page(
    asked: Asked, prompts: Sequence[Int[ndarray, " _"]], answers: Sequence[int | None], model: str
) -> Exploration:
    """Measure prompts, tokens with BOS first, and return their page.

    Edges are filled with the head's mean output over each prompt's rows. `answers`: of every prompt the token
    whose probability after the last one is read; None: the model's first choice. `model`: its name.

    Raises:
        PolyheadError: a prompt is, or all together are, longer than a page shows.
    """
    lengths = [len(tokens) for tokens in prompts]
    if max(lengths) > LONGEST:
        raise PolyheadError(f"a prompt has {max(lengths)} tokens; a page shows {LONGEST}")
    if sum(lengths) > MOST_TOKENS:
        raise PolyheadError(f"the prompts have {sum(lengths)} tokens together; a page shows {MOST_TOKENS}")
    records = []
    for number, (tokens, answer) in enumerate(zip(prompts, answers, strict=True)):
        shown = Shown(str(number), "text", "your text", "your text", tokens, len(tokens))
        last = last_prediction(asked, tokens, answer)
        records.append(prompt_record(with_own_mean(asked, tokens), shown) | {"last": last})
    page = explorer_page(page_data(asked, records), model, "your own prompts")
    return Exploration(page, f"head {asked.head} on {len(prompts)} prompt{'s' * (len(prompts) != 1)}")


@torch.inference_mode()
def last_prediction(asked: Asked, tokens: Int[ndarray, " pos"], answer: int | None) -> dict[str, Any]:
    """Return the answer's probability after the last token: `clean`, and `ablated` at each position."""
    model, residual, dests = asked.model, asked.residual(tokens), list(range(1, len(tokens)))
    change, run = ablation_change(asked, residual), model.clean_runs(asked.head.layer, residual)[0]
    heads = [asked.head.number] * len(dests)
    streams = ablated_runs(run, heads, change[:, 1:], dests, progress)[0]
    token = int(model.logits(streams[0]).argmax()) if answer is None else answer
    found = log_probability(model, streams, torch.full((len(streams),), token)).exp().cpu().numpy()
    return {"answer": token, "clean": float(found[0]), "ablated": coded(found[1:], "<f4")}
