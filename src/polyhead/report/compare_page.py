"""The page of a comparison: tables and two figures of finished studies, in one file that opens offline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from polyhead.ablation.verdict import BOUNDS
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS
from polyhead.report import compare
from polyhead.report.compare import Compared
from polyhead.style import COLOURS, FAINT, as_svg, empty_figure, percent, round_percent, style

PAGE = "page.html.j2"
PALETTE = tuple(COLOURS[name] for name in ("previous", "induction", "current", "previous+induction"))
MOST_LABELS = 8


def comparison_page(studies: Sequence[Compared], sources: Path, css: Path) -> str:
    """Return the page that sets studies side by side.

    Args:
        studies: two or more, as `read_compared` gives them.
        sources: folder of the page's template.
        css: the report's style sheet.
    """
    environment = Environment(
        loader=FileSystemLoader(sources), undefined=StrictUndefined, autoescape=True, trim_blocks=True
    )
    with style():
        figures = {name: as_svg(draw(studies)) for name, draw in FIGURES.items()}
    tables = {name: html(make(studies)) for name, make in TABLES.items()}
    return environment.get_template(PAGE).render(
        names=[study.name for study in studies],
        css=css.read_text(encoding="utf-8"),
        other_measures=compare.other_measures(studies),
        differences=compare.differences(studies),
        figures=figures,
        tables=tables,
        bounds=BOUNDS,
    )


def html(table: pd.DataFrame) -> str:
    """Return a table as HTML, with shares and costs as the report prints them."""
    named = table.rename(columns=lambda name: str(name).replace("_", " "))
    return named.to_html(index=False, border=0, na_rep="–")


def settings_table(studies: Sequence[Compared]) -> pd.DataFrame:
    """Return what was studied, a column a study."""
    wide = compare.settings(studies).set_index("study").T
    return wide.rename_axis(columns=None).reset_index(names=" ")


def verdict_table(studies: Sequence[Compared]) -> pd.DataFrame:
    """Return heads by verdict, a column a study: number, share, and in brackets by joint intervals."""
    counts = compare.verdict_counts(studies)
    counts["text"] = [
        f"{line.heads} ({percent(line.share)}; joint: {line.heads_joint})" for line in counts.itertuples()
    ]
    return side_by_side(counts, "verdict", "text")


def behaviour_table(studies: Sequence[Compared]) -> pd.DataFrame:
    """Return heads by behaviour, a column a study, with the head in which it costs most."""
    counts = compare.behaviour_counts(studies)
    counts["text"] = [
        f"{line.heads} ({percent(line.share)})"
        + (f", most in {line.head}: {line.largest_cost:.2f} nats" if line.head else "")
        + (f"; {line.undecided} undecided" if line.undecided else "")
        for line in counts.itertuples()
    ]
    return side_by_side(counts, "behaviour", "text")


def threshold_table(studies: Sequence[Compared]) -> pd.DataFrame:
    """Return shares of the post's labels in the heads shown: a line a label, a column a threshold."""
    shares = compare.named_shares(studies)
    shares["head"] = shares["study"] + " " + shares["head"]
    shares["τ"] = shares["threshold"].map("{:.2f}".format)
    wide = shares.pivot(index=["head", "label"], columns="τ", values="share").fillna(0)
    wide = wide.loc[shares["head"].unique()]
    return wide.map(percent).rename_axis(columns=None).reset_index()


def label_table(studies: Sequence[Compared]) -> pd.DataFrame:
    """Return how rows of all heads are labelled by the extended taxonomy, the most frequent labels first."""
    shares = compare.all_heads_shares(studies)
    last = shares["taxonomy"].iloc[-1] if "extended" not in set(shares["taxonomy"]) else "extended"
    some = shares[shares["taxonomy"] == last]
    most = some.groupby("label")["share"].max().nlargest(MOST_LABELS).index
    some = some[some["label"].isin(most)].assign(text=lambda table: table["share"].map(percent))
    return side_by_side(some, "label", "text").fillna(percent(0.0))


def side_by_side(table: pd.DataFrame, by: str, value: str) -> pd.DataFrame:
    """Return one line for each value of `by`, one column for each study, both in the order they come in."""
    wide = table.pivot(index=by, columns="study", values=value)
    return wide.loc[table[by].unique(), table["study"].unique()].rename_axis(columns=None).reset_index()


def verdict_figure(studies: Sequence[Compared]) -> Figure:
    """Draw the share of heads that get each verdict, a bar a study."""
    counts = compare.verdict_counts(studies)
    figure, axes = plt.subplots(figsize=(7.4, 2.8))
    sns.barplot(
        counts,
        y="verdict",
        x="share",
        hue="study",
        palette=palette(studies),
        ax=axes,
        saturation=1,
        gap=0.1,
        legend=False,
    )
    labels = [f"{line.heads}" for line in counts.itertuples()]
    for container, study in zip(axes.containers, studies, strict=True):
        own = [text for text, name in zip(labels, counts["study"], strict=True) if name == study.name]
        axes.bar_label(container, own, padding=3, fontsize=8)  # type: ignore[arg-type]
    axes.set(xlabel="share of all heads; numbers: heads", ylabel="", title="Heads by verdict")
    axes.xaxis.set_major_formatter(lambda value, _: round_percent(value))
    name_studies(axes, studies)
    return figure


def cost_figure(studies: Sequence[Compared]) -> Figure:
    """Draw what each behaviour costs in each head that does it, a dot a head."""
    costs, order = compare.done_costs(studies), list(CLASS_BEHAVIOURS)
    if costs.empty:
        return empty_figure("No head of these studies surely does any behaviour.")
    figure, axes = plt.subplots(figsize=(7.4, 2.8))
    looks = {"palette": palette(studies), "hue_order": [study.name for study in studies], "legend": False}
    sns.stripplot(costs, y="behaviour", x="cost", hue="study", order=order, dodge=True, jitter=False, **looks)
    axes.axvline(BOUNDS.cost, linestyle="--", linewidth=1, color=FAINT)
    axes.set(title="What each behaviour costs in the heads that do it", xlim=(0, None), ylabel="")
    axes.set_xlabel(
        "cost of cutting its edges on the rows it dominates, nats (dashed: the least that counts)"
    )
    name_studies(axes, studies)
    return figure


def name_studies(axes: Axes, studies: Sequence[Compared]) -> None:
    """Name the colours of the studies, of those with nothing to draw, too."""
    axes.legend(handles=[Patch(color=colour, label=name) for name, colour in palette(studies).items()])


def palette(studies: Sequence[Compared]) -> dict[str, str]:
    """Return a colour for each study."""
    return {study.name: PALETTE[k % len(PALETTE)] for k, study in enumerate(studies)}


FIGURES: dict[str, Callable[[Sequence[Compared]], Figure]] = {
    "verdicts": verdict_figure,
    "costs": cost_figure,
}
TABLES: dict[str, Callable[[Sequence[Compared]], pd.DataFrame]] = {
    "settings": settings_table,
    "verdicts": verdict_table,
    "behaviours": behaviour_table,
    "thresholds": threshold_table,
    "labels": label_table,
}
