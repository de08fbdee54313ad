# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Two studies side by side
#
# Reads the tables of two finished studies: what their heads attend to, what that is worth on real text, and
# how many heads of each model do several things. Make the studies first: `make reproduce`, and
# `snakemake --configfile config/smollm2.yaml`, or name others below. Open this file in Jupyter (jupytext)
# or in an editor with `# %%` cells.

# %% tags=["parameters"]
# ruff: noqa: D100, E402
STUDIES = ["results/reference", "results/smollm2"]

# %%
from pathlib import Path

import pandas as pd
import seaborn as sns

from polyhead.files import read_json

folders = [path if path.is_dir() else Path("..", path) for path in map(Path, STUDIES)]
configs = {folder.name: read_json(folder / "provenance.json")["config"] for folder in folders}
heads = {study: config["head"][0] for study, config in configs.items()}
pd.DataFrame(configs).loc[["model", "prompts", "context", "previous_window", "threshold"]]


def table(name, of_head=False):
    """Return a table of both studies as one, with a column `study`."""
    places = {f.name: f / "heads" / heads[f.name] / name if of_head else f / name for f in folders}
    found = {study: pd.read_csv(path, dtype={"head": str}) for study, path in places.items() if path.exists()}
    return pd.concat(found, names=["study"]).reset_index("study")


# %% [markdown]
# ## What the studied heads attend to

# %%
shares = table("distribution.csv", of_head=True).query("taxonomy == 'post' and token_label == 'all'")
sns.catplot(shares, kind="bar", x="share", y="label", hue="study", height=3, aspect=2)
# %% [markdown]
# ## How many heads do several things

# %%
verdicts = table("verdicts.csv")
pd.crosstab(verdicts["study"], verdicts["verdict"])

# %% [markdown]
# ## What each behaviour is worth
#
# A point is a head: the share of its rows that a behaviour dominates, and what cutting the behaviour's edges
# costs there.

# %%
edges = table("edges.csv").query("edges not in ['all', 'sink'] and cost.notna()")
sns.relplot(edges, x="share", y="cost", hue="study", col="edges", col_wrap=3, height=2.4)
# %%
strongest = edges.sort_values("cost", ascending=False).groupby(["study", "edges"]).head(3)
strongest.sort_values(["edges", "study"])[
    ["edges", "study", "head", "share", "cost", "cost_low", "cost_high"]
].round(3)
