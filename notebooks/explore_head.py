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
# What a head attends to, what depends on it, and what its behaviours are worth, from calls. Open this file in
# Jupyter (with jupytext) or in an editor with `# %%` cells. It needs no study; the workflow does the same on
# thousands of prompts.

# %%
# ruff: noqa: D100
from pathlib import Path

import numpy as np
import pandas as pd

import polyhead
from polyhead.edges.survey import RealText
from polyhead.edges.tables import edge_tables
from polyhead.model.head import Head
from polyhead.prompts.clusters import prompts_as_clusters

root = Path("..") if Path("../resources").is_dir() else Path()
head = "3.3"
model = polyhead.open_model(root / "resources/reference-model")
print(model)

# %% [markdown]
# ## Rows
#
# One line for every destination: its label, the mass on each behaviour, and where most attention goes.

# %%
text = "for key in keys:\n    del self.data[key]\n    del self"
polyhead.attention_rows(model, head, text).round(2).tail(8)

# %% [markdown]
# ## Shares of labels, on text of the corpus

# %%
prompts = pd.read_parquet(root / "resources/corpus/held_out.parquet")["tokens"].head(20).tolist()
rows = pd.concat([polyhead.attention_rows(model, head, prompt, "extended") for prompt in prompts])
rows["label"].value_counts(normalize=True).head(8).round(3)

# %% [markdown]
# ## One row ablated
#
# What the model expects after the text, with and without the head at the last position.

# %%
polyhead.ablate(model, head, text, -1, top=5).round(3)

# %% [markdown]
# ## What each behaviour is worth on these prompts
#
# Share of the head's rows that a class of edges dominates, and what cutting it there costs (nats).

# %%
one = Head.parse(head)
tokens = np.stack(prompts).astype(np.int32)
of_prompts = RealText(tokens, model.vocabulary, 4, prompts_as_clusters(len(tokens)).dense(*tokens.shape))
found = edge_tables(model.model, [one], of_prompts, [one], n_resamples=200, seed=0)
found.edges[["edges", "rows", "share", "uniform", "cost", "bos", "does"]].round(3)

# %% [markdown]
# ## A text of your own
#
# Any token is a destination: which tokens the head looks at from there, what the model would have said
# without it, and below the text where in it the last prediction depends on the head.

# %%
polyhead.explore(model, head, text)
