"""The model card: text, tables and curves, made from the evaluation, the training log and the recipe."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from polyhead.attention.labels import UNKNOWN
from polyhead.training.recipe import Recipe
from polyhead.training.targets import Target, targets

Evaluation = dict[str, Any]
TEXT = Path(__file__).with_name("card.md")
NOTABLE = 0.05  # share of a head's rows from which a label counts as one of its behaviours


def many_sided(head: dict[str, Any]) -> float:
    """Return the share of a head's rows whose label is neither `unknown` nor its most frequent one.

    By the post's taxonomy: a head that does one thing alone, or nothing that has a name there, scores 0.
    """
    known = [share for name, share in head["labels"]["post"].items() if name != UNKNOWN]
    return sum(known) - max(known, default=0.0)


def draw_curves(log: pd.DataFrame, path: Path) -> None:
    """Draw what the log holds against tokens: losses, scores of the best heads, share of unknown rows."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "polyhead"
    from matplotlib import pyplot

    panels = {
        "loss, nats per token": {"loss": "last training step", "held_out_loss": "held-out sequences"},
        "best head's mean attention": {
            "induction_repeated": "induction, a short random sequence twice",
            "induction_repeated_long": "induction, half a context twice",
            "induction_repeated_any": "the same, of any tokens",
            "previous": "exactly one token back",
        },
        "share of rows unknown": {"unknown_share": "most legible head"},
    }
    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    for axis, (title, columns) in zip(axes, panels.items(), strict=True):
        for column, name in columns.items():
            axis.plot(log["tokens"] / 1e6, log[column], label=name)
        axis.set(title=title, xlabel="million tokens")
        axis.legend(frameon=False, fontsize=8, loc="upper right")
    for axis in axes[1:]:
        axis.set_ylim(0, 1.5)  # room for the legend
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def model_card(
    evaluation: Evaluation,
    log: pd.DataFrame,
    record: dict[str, Any],
    recipe: Recipe,
    aims: pd.DataFrame | None,
) -> str:
    """Return the model card as Markdown.

    Args:
        evaluation: what evaluation.json holds.
        log: the training's log.
        record: what training.json holds.
        recipe: the recipe.
        aims: what a study found of the aims about its head, if one was held against them.
    """
    held_out, model, training = evaluation["held_out"], recipe.model, recipe.training
    return TEXT.read_text(encoding="utf-8").format(
        **asdict(model),
        vocabulary=recipe.tokenizer.vocabulary,
        tokens=evaluation["tokens_seen"] / 1e6,
        minutes=evaluation["training_seconds"] / 60,
        rate=evaluation["tokens_seen"] / evaluation["training_seconds"],
        device=training.device,
        recipe=markdown_table(["key", "value"], asdict(training).items()),
        held_out_sequences=held_out["rows"],
        held_out_tokens=held_out["tokens"] / 1e6,
        nats=held_out["nats_per_token"],
        bits=held_out["bits_per_byte"],
        top1=100 * held_out["top1"],
        tasks=tasks_table(evaluation),
        repeated=recipe.evaluation.repeated_tokens,
        half=(recipe.model.context - 1) // 2,
        any=max(head["induction_repeated_any"] for head in evaluation["heads"].values()),
        targets=targets_table(evaluation, recipe),
        aims=aims_section(aims),
        evidence=heads_table(evaluation),
        effects=effects_table(evaluation),
        threshold=evaluation["threshold"],
        window=evaluation["previous_window"],
        prompts=evaluation["prompts"],
        bump=bump(log),
        run=run_table(record),
    )


def run_table(record: dict[str, Any]) -> str:
    """Return the record of the training, hashes shortened."""
    software = ", ".join(f"{name} {version}" for name, version in record["software"].items())
    lines = [
        ("runs, from the first step to the last", record["runs"]),
        ("times stopped and gone on with", record["resumptions"]),
        ("steps, tokens", f"{record['steps']:,}, {record['tokens']:,}"),
        ("seconds of training steps", f"{record['seconds']:,.0f}"),
        ("device, precision", f"{record['device']}, {record['precision']}"),
        ("software", software),
        ("seed", record["seed"]),
        *((f"SHA-256 of the {name}", f"`{value[:16]}…`") for name, value in record["sha256"].items()),
    ]
    return markdown_table(["what", "value"], lines)


def tasks_table(evaluation: Evaluation) -> str:
    """Return the clean accuracy on every task."""
    lines = (
        (name, task["prompts"], percent(task["top1"]), f"{task['probability']:.2f}")
        for name, task in evaluation["tasks"].items()
    )
    return markdown_table(["task", "prompts", "top-1, %", "mean probability"], lines)


def targets_table(evaluation: Evaluation, recipe: Recipe) -> str:
    """Return what was aimed at, what was found, and whether it is enough."""
    return aims_table(targets(evaluation, recipe.targets))


def aims_section(aims: pd.DataFrame | None) -> str:
    """Return the aims about the head of the default study, or that no study was held against them."""
    if aims is None:
        return "`snakemake reference_aims` holds a finished study against them; it was not run."
    return aims_table(Target(*line) for line in aims.itertuples(index=False))


def aims_table(found: Iterable[Target]) -> str:
    """Return aims as a table."""
    lines = ((one.aim, one.found, "yes" if one.reached else "**no**") for one in found)
    return markdown_table(["aim", "found", "reached"], lines)


def heads_table(evaluation: Evaluation) -> str:
    """Return the scores and label shares of every head."""
    columns = ["induction_repeated", "induction_repeated_long", "previous", "previous_window"]
    columns += ["induction", "duplicate", "bos"]
    lines = (
        (
            name,
            *(f"{head[column]:.2f}" for column in columns),
            *(percent(head["labels"]["post"].get(label, 0.0)) for label in POST_COLUMNS),
            notable(head["labels"]["extended"]),
            percent(many_sided(head)),
        )
        for name, head in evaluation["heads"].items()
    )
    titles = ["head", "repeated", "repeated, long", "one back", "previous", "induction", "duplicate", "BOS"]
    titles += [f"{label}, %" for label in POST_COLUMNS] + ["extended labels ≥ 5 %, %", "many-sided, %"]
    return markdown_table(titles, lines)


POST_COLUMNS = ["inactive", "previous", "previous+induction", UNKNOWN]


def effects_table(evaluation: Evaluation) -> str:
    """Return, for every task, the heads whose BOS ablation costs most probability of the answer."""
    lines = []
    for name, task in evaluation["tasks"].items():
        costs = sorted(
            (task["probability"] - head["ablated"][name]["probability"], key)
            for key, head in evaluation["heads"].items()
        )
        worst = ", ".join(f"{key} ({cost:.2f})" for cost, key in reversed(costs[-4:]))
        lines.append((name, f"{task['probability']:.2f}", worst))
    return markdown_table(["task", "clean probability", "largest falls, by head"], lines)


def notable(shares: dict[str, float]) -> str:
    """Return the labels that take a notable share of a head's rows, most frequent first."""
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {percent(share)}" for name, share in ordered if share >= NOTABLE)


BUMPS = {
    "induction_repeated": "a short random sequence",
    "induction_repeated_any": "half a context of any random tokens",
}
"""Columns of the log that show when induction arose; a log that was gone on with may lack the first ones."""


def bump(log: pd.DataFrame) -> str:
    """Return in words where in training the induction score rose, and what became of it."""
    column = next(name for name in BUMPS if log[name].notna().all())
    scores = log[column]
    risen = log.loc[scores >= scores.max() / 2, "tokens"].iloc[0]
    score = f"The best head's induction score, on {BUMPS[column]} twice,"
    half = f"half of its highest value ({scores.max():.2f})"
    return f"{score} passes {half} at {risen / 1e6:.0f}M tokens; at the end it is {scores.iloc[-1]:.2f}"


def percent(share: float) -> str:
    """Return a share in per cent, as printed."""
    return f"{100 * share:.0f}"


def markdown_table(titles: list[str], lines: Iterable[Iterable[object]]) -> str:
    """Return a table in Markdown."""
    rows = [titles, ["---"] * len(titles), *lines]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)
