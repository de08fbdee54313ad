"""The model card: text, tables and curves, made from what the runs left, and from the claims of a study."""

from pathlib import Path
from typing import Any

import pandas as pd

from polyhead.edges.classes import CLASS_BEHAVIOURS as BEHAVIOURS
from training.recipe import Recipe

TEXT = Path(__file__).with_name("card.md")
DECIMALS = {"nats_per_token": 3, "bits_per_byte": 3, "row_entropy": 2, "a_head": 1}
NAMES = {
    "nats_per_token": "held-out loss, nats per token",
    "bits_per_byte": "bits per byte",
    "top1": "first guess right",
    "row_entropy": "mean entropy of a row, nats",
    "named_post": "rows named by the post's labels",
    "named_extended": "rows named by the extended labels",
    "a_head": "behaviours that a head does, mean",
    **{name: f"heads that do {name.replace('_', ' ')}" for name in BEHAVIOURS},
    "sink": "heads with a sink in a tenth of their rows",
    "polysemantic": "heads with two or more behaviours",
    "head": "head that comes first",
    "does": "what it does",
    "its_sink": "its rows that the sink dominates",
    "its_named": "its rows named by the extended labels",
}
COMPARED = ["nats_per_token", "bits_per_byte", "row_entropy", "named_post", "named_extended", "a_head"]
SECTION = "aims"
"""Section of `claims.csv` with what the reference model's head was to do, fixed before it was trained."""


def model_card(
    recipe: Recipe,
    record: dict[str, Any],
    evaluation: dict[str, Any],
    seeds: pd.DataFrame,
    compared: pd.DataFrame,
    claims: pd.DataFrame | None,
) -> str:
    """Return the model card as Markdown.

    Args:
        recipe: of the shipped run.
        record: what its training.json holds.
        evaluation: what its evaluation.json holds.
        seeds: seeds.csv.
        compared: compare.csv.
        claims: claims.csv of a study of the model, if there is one.
    """
    software = ", ".join(f"{name} {version}" for name, version in record["software"].items())
    return TEXT.read_text(encoding="utf-8").format(
        **recipe.model.model_dump(),
        vocabulary=recipe.tokenizer.vocabulary,
        recipe=markdown(pd.DataFrame(recipe.training.model_dump().items(), columns=["key", "value"])),
        tokens=record["tokens"] / 1e6,
        minutes=record["seconds"] / 60,
        made=f"{record['device']}, {record['precision']}; {software}; {record['resumptions']} resumptions",
        held_out=evaluation["held_out"],
        shipped=seeds.loc[seeds["first"], "run"].item(),
        seeds=markdown(seeds_table(seeds)),
        compared=markdown(compared_table(compared)),
        claims=claims_table(claims),
    )


def seeds_table(seeds: pd.DataFrame) -> pd.DataFrame:
    """Return the runs as columns, and beside them what they share."""
    columns = {line["run"]: [cell(name, line[name]) for name in NAMES] for _, line in seeds.iterrows()}
    shared = [in_common(name, seeds[name]) for name in NAMES]
    return pd.DataFrame({"": list(NAMES.values()), **columns, "in common": shared})


def compared_table(compared: pd.DataFrame) -> pd.DataFrame:
    """Return a line for each shape and penalty."""
    shape = compared["heads"].astype(str) + " × " + compared["d_head"].astype(str)
    numbers = {NAMES[name]: [cell(name, value) for value in compared[name]] for name in COMPARED}
    first = {"heads × width": shape, "entropy penalty": compared["entropy_penalty"]}
    return pd.DataFrame({**first, "million tokens": compared["tokens"] / 1e6, **numbers})


def cell(name: str, value: Any) -> str:
    """Return a value of `runs_table` as the card prints it: shares in per cent, heads with commas."""
    if isinstance(value, str):
        return value.replace(" ", ", ") or "–"
    return f"{value:.{DECIMALS[name]}f}" if name in DECIMALS else f"{100 * value:.0f} %"


def in_common(name: str, values: pd.Series) -> str:
    """Return what runs share: the range of numbers; of lists of heads, layers that have one in every run."""
    if pd.api.types.is_numeric_dtype(values):
        return f"{cell(name, values.min())} to {cell(name, values.max())}"
    if name not in (*BEHAVIOURS, "sink", "polysemantic"):
        return cell(name, values.iloc[0]) if values.nunique() == 1 else "–"
    layers = set.intersection(*({head.partition(".")[0] for head in text.split()} for text in values))
    return f"layer {', '.join(sorted(layers))}" if layers else "–"


def claims_table(claims: pd.DataFrame | None) -> str:
    """Return what a study was to find of the model's head, each met or not; or that none was made yet."""
    if claims is None:
        return "No study of the shipped model has been made yet."
    asked = claims[claims["section"] == SECTION]
    return markdown(asked[["says", "answer", "numbers"]])


def markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown."""
    return table.to_markdown(index=False, disable_numparse=True)


def draw_curves(log: pd.DataFrame, path: Path) -> None:
    """Draw a training's log against tokens: losses, entropy of rows, rows that have no name."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "polyhead"
    from matplotlib import pyplot

    panels = {
        "loss, nats per token": {"loss": "last training step", "held_out_loss": "held-out sequences"},
        "nats": {"row_entropy": "mean entropy of a row"},
        "share": {"unknown_share": "rows without one of the post's labels, most legible head"},
    }
    figure, axes = pyplot.subplots(1, len(panels), figsize=(11, 3.2), layout="constrained")
    for axis, (label, columns) in zip(axes, panels.items(), strict=True):
        for column, name in columns.items():
            axis.plot(log["tokens"] / 1e6, log[column], label=name)
        axis.set(ylabel=label, xlabel="million tokens")
        axis.legend(frameon=False, fontsize=8, loc="upper right")
    axes[-1].set_ylim(0, 1.2)  # room for the legend
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
