"""Models side by side: one line a run, with its loss, how its attention is spread, and what its heads do."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from polyhead.edges.classes import CLASS_BEHAVIOURS as BEHAVIOURS
from polyhead.edges.selection import GROUPS, LEAST_SINK
from polyhead.files import read_json
from training.recipe import Recipe, load_recipe

Ranked = Mapping[str, Any]
"""A head in `selection.json`: head, layers, behaviours (joined by +), sink and named (shares of its rows)."""


@dataclass(frozen=True)
class Run:
    """A trained model: its recipe, `evaluation.json`, and its heads, ranked by the study that chooses one."""

    name: str
    recipe: Recipe
    measures: Mapping[str, Any]
    ranked: list[Ranked]


def read_run(recipe: Path | str, measures: Path | str, selection: Path | str) -> Run:
    """Read a run from its model's `evaluation.json` and the `selection.json` of its study."""
    name = Path(measures).parents[1].name
    return Run(name, load_recipe(recipe, name), read_json(measures), read_json(selection)["considered"])


def runs_table(runs: list[Run]) -> pd.DataFrame:
    """Return a line for each run.

    Returns:
        run, heads (a layer), d_head, entropy_penalty, seed, tokens; nats_per_token, bits_per_byte, top1 (on
        held-out text); row_entropy (nats); named_post, named_extended (share of rows with such a label, all
        heads); for every behaviour, `sink` (that dominates a tenth of the rows) and `polysemantic` the heads
        concerned, joined by a space; a_head (how many behaviours a head does, mean); head (the first by the
        rule of `head: auto`), does (its behaviours), its_sink and its_named (shares of its rows).
    """
    return pd.DataFrame([{"run": run.name, **_choices(run), **_measured(run), **_done(run)} for run in runs])


def read_runs(path: Path | str) -> pd.DataFrame:
    """Read what `runs_table` made; heads are text."""
    text = ("run", "head", "does", "sink", "polysemantic", *BEHAVIOURS)
    return pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False)


def _choices(run: Run) -> dict[str, Any]:
    training = run.recipe.training.model_dump(include={"entropy_penalty", "seed", "tokens"})
    return run.recipe.model.model_dump(include={"heads", "d_head"}) | training


def _measured(run: Run) -> dict[str, float]:
    held_out = {name: run.measures["held_out"][name] for name in ("nats_per_token", "bits_per_byte", "top1")}
    named = {f"named_{taxonomy}": share for taxonomy, share in run.measures["named"].items()}
    return held_out | {"row_entropy": run.measures["row_entropy"]} | named


def _done(run: Run) -> dict[str, Any]:
    done = {line["head"]: done_by(line) for line in run.ranked}
    doing = {name: [head for head, some in done.items() if name in some] for name in BEHAVIOURS}
    doing["sink"] = [line["head"] for line in run.ranked if line["sink"] >= LEAST_SINK]
    doing["polysemantic"] = [head for head, some in done.items() if len(some) > 1]
    first = run.ranked[0]
    return {
        **{name: " ".join(sorted(heads)) for name, heads in doing.items()},
        "a_head": sum(map(len, done.values())) / len(done),
        "head": first["head"],
        "does": first["behaviours"],
        "its_sink": first["sink"],
        "its_named": first["named"],
    }


def done_by(line: Ranked) -> list[str]:
    """Return the behaviours that a head does."""
    return [name for name in (line["behaviours"] or "").split("+") if name]


def first_of(runs: list[Run]) -> Run:
    """Return the run whose head comes first, by the rule for heads of one model; of equals the first run."""
    return min(runs, key=lambda run: precedence(run.ranked[0]))


def precedence(line: Ranked) -> tuple[int, int, float]:
    """Return by what heads are ordered: the rule of `polyhead.edges.selection.ranking`, between models.

    Heads with two behaviours come first: by group of layers, then those with most behaviours (a sink counts
    as one more), then by the share of named rows. All others follow, by the share of named rows.
    """
    done = done_by(line)
    if len(done) < 2:
        return len(GROUPS), 0, -line["named"]
    return GROUPS.index(line["layers"]), -len(done) - (line["sink"] >= LEAST_SINK), -line["named"]
