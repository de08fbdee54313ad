"""What the heads of one variant do: profile, verdicts, how sharp they are, and the variant's loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from polyhead.ablation.edge_profile import DocumentSums, Profile, profile_heads
from polyhead.ablation.edge_survey import read_real_text
from polyhead.ablation.verdict import verdict_table
from polyhead.attention.atlas import atlas
from polyhead.attention.labels import UNKNOWN, Definitions
from polyhead.bootstrap import INTERVAL, cluster_weights
from polyhead.files import read_json
from polyhead.model.head import all_heads
from polyhead.model.opening import open_native
from polyhead.model.protocol import PatternModel
from polyhead.model.transformer import AttentionOnly
from polyhead.model.vocabulary import Vocabulary, open_vocabulary
from polyhead.training.merged import COUNTINGS, FIELDS, STATISTICS, layers_of, statistics
from polyhead.training.probes import held_out_loss
from polyhead.training.scarcity import Measures

KEY = ["counting", "statistic"]
COLUMNS = [*KEY, "value", "low", "high"]


@dataclass(frozen=True)
class VariantProfile:
    """Tables of one variant: `edge_profile.csv`, `heads.csv`, `observed.csv`; and `facts.json`."""

    profile: Profile
    heads: pd.DataFrame
    observed: pd.DataFrame
    facts: dict[str, Any]


def profile_variant(
    model_directory: Path,
    prompts: Path,
    measures: Measures,
    report: Callable[[int], None] = lambda done: None,
) -> VariantProfile:
    """Measure all heads of a variant on the same prompts as every other.

    Returns:
        profile: as `profile_heads` says.
        heads: as `verdict_table` says, and named_post, named_extended (shares of rows that get a label).
        observed: as `observed_statistics` says.
        facts: as `facts_of` says.
    """
    model, vocabulary = open_native(model_directory), open_vocabulary(model_directory / "tokenizer.json")
    text = read_real_text(prompts, measures.prompts, vocabulary, measures.previous_window)
    heads = all_heads(model.n_layers, model.n_heads)
    profile = profile_heads(
        model, heads, text, n_resamples=measures.bootstrap, seed=measures.seed, report=report
    )
    verdicts = verdict_table(profile.costs, profile.explained)
    definitions = Definitions(measures.previous_window, measures.threshold)
    named = named_shares(model, vocabulary, text.prompts, definitions)
    return VariantProfile(
        profile,
        verdicts.merge(named, on="head"),
        observed_statistics(profile.costs, profile.documents, measures.bootstrap, measures.seed),
        facts_of(model_directory, model, text.prompts),
    )


def facts_of(
    directory: Path, model: AttentionOnly, prompts: Int[ndarray, "prompt pos"]
) -> dict[str, int | float | dict[str, str]]:
    """Return a variant's size, its training, its loss over all prompts, and hashes of what made it."""
    record, nats_and_top1 = read_json(directory / "training.json"), held_out_loss(model, prompts)
    config = read_json(directory / "config.json")
    return {
        "heads": model.n_heads,
        "layers": model.n_layers,
        **{name: config[name] for name in ("d_model", "d_head")},
        **{name: record[name] for name in ("seed", "tokens", "seconds", "resumptions")},
        "parameters": sum(weight.numel() for weight in model.parameters()),
        **dict(zip(("held_out_loss", "held_out_top1"), nats_and_top1, strict=True)),
        "sha256": record["sha256"],
    }


def named_shares(
    model: PatternModel, vocabulary: Vocabulary, prompts: Int[ndarray, "prompt pos"], definitions: Definitions
) -> pd.DataFrame:
    """Return the share of each head's rows that a taxonomy names: head, `named_<taxonomy>`."""
    table = atlas(model, vocabulary, all_heads(model.n_layers, model.n_heads), prompts, definitions)
    named = table[table["label"] != UNKNOWN].pivot_table(
        index="head", columns="taxonomy", values="share", aggfunc="sum", observed=False
    )
    named = named.reindex(table["head"].unique()).reindex(columns=list(definitions.taxonomies)).fillna(0.0)
    return named.add_prefix("named_").rename_axis(columns=None).reset_index()


def observed_statistics(costs: pd.DataFrame, sums: DocumentSums, n_resamples: int, seed: int) -> pd.DataFrame:
    """Return the statistics of a variant's heads: counting, statistic, value, low, high.

    The interval is over documents: in every draw of documents each head's shares and costs are those of the
    drawn documents, ends of the costs' intervals as far from them as they were, and the verdict's bounds are
    applied anew. Heads are not drawn: a model's heads are all there are, not a sample. What another seed of
    the training would give is not in the interval either; that is what second seeds are for.
    """
    drawn = [statistics(layers_of(one)) for one in redrawn(costs, sums, n_resamples, seed)]
    low, high = np.percentile(drawn, INTERVAL, axis=0)
    value = statistics(layers_of(costs))
    names = pd.MultiIndex.from_product([COUNTINGS, STATISTICS], names=KEY)
    sides = {"value": value.ravel(), "low": low.ravel(), "high": high.ravel()}
    return pd.DataFrame(sides, index=names).reset_index()[COLUMNS]


def redrawn(costs: pd.DataFrame, sums: DocumentSums, n_resamples: int, seed: int) -> Iterator[pd.DataFrame]:
    """Yield what the lines of a profile would be for other draws of documents."""
    below, above = (costs["cost"] - costs["low"]).to_numpy(), (costs["high"] - costs["cost"]).to_numpy()
    for weights in cluster_weights(len(sums.every), n_resamples, seed):
        with np.errstate(invalid="ignore"):
            cost, bos = (value @ weights / (sums.measured @ weights) for value in (sums.cost, sums.bos))
        rows, documents = ((counts @ weights).round().astype(int) for counts in (sums.rows, sums.rows > 0))
        values = (rows / (sums.every @ weights), rows, documents, cost, cost - below, cost + above, bos)
        yield costs[["head", "edges"]].assign(**dict(zip(FIELDS, values, strict=True)))
