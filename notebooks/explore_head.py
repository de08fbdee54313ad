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
# # Explore one head
#
# What a head attends to, what depends on it, and what its edges are worth, by calls. It needs no study; the
# workflow asks the same on thousands of prompts. Open this file in Jupyter (with jupytext) or in an editor
# with `# %%` cells. It runs in its own folder and in the checkout.

# %%
# ruff: noqa: D100
from pathlib import Path

import pandas as pd

import polyhead

root = Path("..") if Path("../resources").is_dir() else Path()
head = "1.0"
model = polyhead.open_model(root / "resources/reference-model")
text = "for key in keys:\n    del self.data[key]\n    del self"
print(model)

# %% [markdown]
# ## Rows
#
# A line is a destination: its label, the attention mass on each behaviour, where most of the attention goes.

# %%
polyhead.attention_rows(model, head, text, "extended", threshold=0.5).round(2).tail(8)

# %% [markdown]
# ## Shares of labels, on 20 prompts of the corpus

# %%
corpus = pd.read_parquet(root / "resources/corpus/held_out.parquet")
rows = pd.concat([polyhead.attention_rows(model, head, prompt) for prompt in corpus["tokens"].head(20)])
for threshold in (0.95, 0.5):
    print(polyhead.label_rows(rows, "extended", threshold).value_counts(normalize=True).head(6).round(3))

# %% [markdown]
# ## One row ablated
#
# What the model expects after the text, with and without the head at the last position.

# %%
polyhead.ablate(model, head, text, -1, top=5).round(3)

# %% [markdown]
# ## What each edge is worth
#
# What the log probability of the next token loses when one class of edges of one row is cut (nats). Positive:
# the head helps through these edges.

# %%
polyhead.edge_costs(model, head, text).round(3).dropna(axis="columns", how="all")

# %% [markdown]
# ## Look at any row
#
# Choose a token: its row is drawn, and below the text where in it the last prediction depends on the head.

# %%
polyhead.explore(model, head, text)
