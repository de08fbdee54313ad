"""The benchmark of section 1 as a picture: seconds per prompt of each way, and time over prompts."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from polyhead.benchmarks.attention import NAMES
from polyhead.style import COLOURS, FAINT, REST, WIDTH, headline, whiskers

OURS, OTHERS, FLOOR = COLOURS["previous"], REST, COLOURS["inactive"]
POINTS = {"a": OTHERS, "b": OTHERS, "c": OURS, "d": FLOOR, "all": OURS}


def benchmark_figure(table: pd.DataFrame) -> Figure:
    """Draw seconds per prompt (median, fastest and slowest round), and total time and memory over prompts."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 2.8), width_ratios=[1.45, 1])
    _points(left, table[table["unit"] == "s per prompt"].set_index("measurement"))
    _growth(right, table)
    headline(figure, benchmark_in_short(table))
    return figure


def benchmark_in_short(table: pd.DataFrame) -> str:
    """Say what a prompt takes here beside the fastest other way."""
    times = table[table["unit"] == "s per prompt"].set_index("measurement")["value"]
    ours, other = times[NAMES["c"]], min(times[NAMES[key]] for key in "ab")
    return f"A prompt takes {ours:.2g} s, {ours / other:.2g} times what the fastest other way takes"


def _points(axes: Axes, times: pd.DataFrame) -> None:
    chosen = times.loc[[NAMES[key] for key in POINTS]]
    places = np.arange(len(chosen))
    whiskers(axes, chosen["low"], chosen["high"], places)
    dots = {"hue": places, "palette": list(POINTS.values()), "s": 55, "linewidth": 0, "zorder": 3}
    sns.scatterplot(x=chosen["value"].to_numpy(), y=places, **dots, legend=False, ax=axes)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    for place, (value, high) in enumerate(zip(chosen["value"], chosen["high"], strict=True)):
        axes.annotate(
            f"{value:.2g} s", (high, place), (6, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_yticks(places, [name.replace(", boolean", ",\nboolean") for name in chosen.index], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="seconds per prompt of 1024 tokens")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.2, y=0.15)


def _growth(axes: Axes, table: pd.DataFrame) -> None:
    short = table[table["case"].str.endswith(" of 256 tokens, heads: one")]
    time, peak = (short[short["measurement"] == name] for name in ("CPU time", "peak memory"))
    prompts = np.array([int(case.split()[0]) for case in time["case"]])
    line = time["value"].iloc[-1] * prompts / prompts[-1]
    axes.plot(prompts, line, color=FAINT, lw=0.8, ls=(0, (3, 3)), label="proportional")
    dots = {"color": OURS, "s": 36, "linewidth": 0, "zorder": 3, "label": "measured"}
    sns.scatterplot(x=prompts, y=time["value"].to_numpy(), **dots, ax=axes)
    for x, y, memory in zip(prompts, time["value"], peak["value"], strict=True):
        text = f"{memory:,.0f} MiB".replace(",", "\u2009")
        axes.annotate(text, (x, y), (-5, 4), textcoords="offset points", fontsize=7.5, ha="right")
    axes.set(xscale="log", yscale="log", xlabel="prompts of 256 tokens", ylabel="CPU seconds")
    axes.set_xticks(prompts, [f"{number:,}".replace(",", "\u2009") for number in prompts])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.55, y=0.18)
    axes.legend(loc="lower right", fontsize=7.5)
