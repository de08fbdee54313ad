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
# What a study stored about a head, and how to ask it questions of your own. Open this file in Jupyter (with
# jupytext) or in an editor that knows `# %%` cells, or run `snakemake notebook`, which executes it for the
# study of the config and writes `results/<study>/notebook/explore_head.ipynb`.
#
# Run a study first: everything below reads `results/<study>/`.

# %% tags=["parameters"]
# ruff: noqa: D100, E402
STUDY = "results/reference"
HEAD = None  # "1.4"; None: the study's first

# %%
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from polyhead.report.numbers import ranking, read_numbers

from polyhead.files import read_json

study = Path(STUDY)
config = read_json(study / "provenance.json")["config"]
head = HEAD or config["head"][0]
folder = study / "heads" / head
print(f"head {head} of {config['model']}: {config['prompts']} prompts, K = {config['previous_window']}")

# %% [markdown]
# ## The numbers of the report
#
# `numbers.json` has every number that the report prints: value, interval, where it comes from.

# %%
numbers = read_numbers(study / "numbers.json")
taxonomy = config["taxonomies"][0]
for number in ranking(numbers, head, taxonomy):
    print(f"{number.about['label']:>20}  {number.full}")

# %% [markdown]
# ## Labels: one for every row
#
# Which destination tokens are labelled most differently from the rest?

# %%
import polyhead

model = polyhead.open_model(config["model"])
vocabulary = model.vocabulary
labels = pd.read_parquet(folder / "labels.parquet")
labels["destination"] = labels["token"].map(lambda token: vocabulary.labels[token])
shares = pd.crosstab(labels["destination"], labels[taxonomy], normalize="index")
frequent = labels["destination"].value_counts().head(60).index
distance = (shares - labels[taxonomy].value_counts(normalize=True)).abs().sum(axis=1) / 2
shares.loc[distance[frequent].nlargest(10).index].round(3)

# %% [markdown]
# ## Rows: masses on atoms
#
# A row is stored as attention mass on each exact set of behaviours, so thresholds and definitions can be
# changed without the model. First, other thresholds:

# %%
import numpy as np

from polyhead.attention.labels import post_labels, read_atoms

shards = [read_atoms(pq.read_table(path)) for path in sorted((folder / "rows").glob("*.parquet"))]


def shares_at(threshold):
    """Share of rows of each of the post's labels at a threshold."""
    return pd.concat([pd.Series(post_labels(atoms, threshold)) for atoms in shards]).value_counts(
        normalize=True
    )


pd.DataFrame({threshold: shares_at(threshold) for threshold in (0.8, 0.9, 0.95, 0.99)}).round(3)

# %% [markdown]
# And a question of one's own: in how many rows does most of the attention go to other indentation tokens?

# %%
indentation = ("indent_bigger", "indent_same", "indent_smaller")
mass = np.concatenate([atoms.union_mass([indentation])[:, 0] for atoms in shards])
print(f"{(mass >= 0.5).mean():.2%} of the rows")

# %% [markdown]
# ## One row, from the model
#
# Patterns are not stored; the model gives any of them again.

# %%
import torch

from polyhead.attention.rows import patterns
from polyhead.model.head import Head
from polyhead.prompts.sampling import read_prompts

prompts = read_prompts(study / "prompts.parquet")
row = labels.iloc[int(mass.argmax())]
tokens = torch.from_numpy(prompts[[row["prompt"]], : row["position"] + 1]).long()
weights = patterns(model.model, [Head.parse(head)], tokens)[0, 0, -1]
top = weights.topk(min(8, len(weights)))
pd.DataFrame(
    {
        "position": top.indices.tolist(),
        "token": [vocabulary.labels[tokens[0, j]] for j in top.indices],
        "weight": top.values.numpy().round(3),
    }
)

# %% [markdown]
# What is the score of that first source made of? Every pair of components, one in the query, one in the key.

# %%
if model.shape.attn_only:
    from polyhead.mechanism.scores import head_inputs

    layer, number = Head.parse(head)
    inputs = head_inputs(model.model.parts(tokens[0], layer, "heads"), model.model.reader(layer, number))
    pairs = inputs.query[:, -1] @ inputs.key[:, int(weights.argmax())].T
    table = (
        pd.DataFrame(pairs.numpy(), inputs.names, inputs.names)
        .rename_axis("query")
        .rename_axis("key", axis=1)
    )
    display(table.stack().nlargest(8).round(2))

# %% [markdown]
# ## A figure in the report's style

# %%
import io

import matplotlib.pyplot as plt
from IPython.display import SVG

from polyhead.style import colour, ordered, style

by_position = pd.crosstab(labels["position"] // 16 * 16, labels[taxonomy], normalize="index")
with style():
    figure, axes = plt.subplots(figsize=(7, 2.8))
    names = ordered(by_position.columns)
    axes.stackplot(by_position.index, by_position[names].T, labels=names, colors=[colour(n) for n in names])
    axes.set(xlabel="position in the prompt", ylabel="share of rows", ylim=(0, 1))
    figure.legend(loc="outside upper left", ncols=4)
    figure.savefig(svg := io.BytesIO(), format="svg")
    plt.close(figure)
SVG(svg.getvalue())

# %% [markdown]
# ## A text of your own
#
# Any token is a destination: which tokens the head looks at from there, what the model would have said
# without it, and below the text where in it the last prediction depends on the head.

# %%
text = "for key in keys:\n    del self.data[key]\n    del self"
polyhead.explore(model, head, text, window=config["previous_window"])
