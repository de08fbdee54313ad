"""One table of all variants beside what merged heads would do, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from polyhead.ablation.edge_profile import read_profile
from polyhead.ablation.verdict import Answer
from polyhead.bootstrap import INTERVAL
from polyhead.errors import PolyheadError
from polyhead.files import read_csv, read_json
from polyhead.training.merged import COUNTINGS, MERGINGS, RULE, STATISTICS, answer, layers_of, merged, overall
from polyhead.training.scarcity import Measures

VERDICTS = ("none", "one behaviour", "polysemantic", "undecided")
SIZES = ("heads", "layers", "d_model", "d_head", "seed", "tokens", "parameters")
LOSSES = ("held_out_loss", "held_out_top1")
NULL = ["heads", "merging", "counting", "statistic"]


@dataclass(frozen=True)
class Variant:
    """What `scarcity_profile` wrote of one variant."""

    facts: dict[str, Any]
    profile: pd.DataFrame
    heads: pd.DataFrame
    observed: pd.DataFrame


@dataclass(frozen=True)
class Comparison:
    """`scarcity.csv`, `scarcity_merged.csv` and `scarcity.json`."""

    table: pd.DataFrame
    merged: pd.DataFrame
    record: dict[str, Any]


def read_variants(folders: Mapping[str, Path]) -> dict[str, Variant]:
    """Read the tables of variants; those with fewest heads first, then by seed."""
    variants = {name: _read(folder) for name, folder in folders.items()}
    return dict(sorted(variants.items(), key=lambda one: (one[1].facts["heads"], one[1].facts["seed"])))


def _read(folder: Path) -> Variant:
    return Variant(
        read_json(folder / "facts.json"),
        read_profile(folder / "edge_profile.csv"),
        read_csv(folder / "heads.csv"),
        read_csv(folder / "observed.csv"),
    )


def variants_table(variants: Mapping[str, Variant]) -> pd.DataFrame:
    """Return one line per variant.

    Columns: variant; heads (a layer), layers, d_model, d_head, seed, tokens, parameters, held_out_loss (nats
    per token), held_out_top1; how many heads have each verdict; behaviours (mean number that a head does),
    low, high; behaviours_perhaps, perhaps_low, perhaps_high: with what is undecided counted as done;
    polysemantic_share, polysemantic_perhaps: share of heads that do two or more, by both countings;
    named_post, named_extended, rest: share of all heads' rows that get a label, and that rest dominates.
    """
    return pd.DataFrame([_line(name, variant) for name, variant in variants.items()])


def _line(name: str, variant: Variant) -> dict[str, Any]:
    verdicts = variant.heads["verdict"].value_counts()
    found = variant.observed.set_index(["counting", "statistic"])
    surely, perhaps = (found.loc[(counting, "behaviours")] for counting in COUNTINGS)
    return {
        "variant": name,
        **{size: variant.facts[size] for size in (*SIZES, *LOSSES)},
        **{verdict.replace(" ", "_"): int(verdicts.get(verdict, 0)) for verdict in VERDICTS},
        "behaviours": surely["value"],
        **surely[["low", "high"]],
        "behaviours_perhaps": perhaps["value"],
        **perhaps[["low", "high"]].add_prefix("perhaps_"),
        "polysemantic_share": found.loc[("surely", "polysemantic"), "value"],
        "polysemantic_perhaps": found.loc[("perhaps", "polysemantic"), "value"],
        **variant.heads[["named_post", "named_extended", "rest"]].mean(),
    }


def probes_record(
    variants: Mapping[str, Variant], changes: Mapping[str, Any], measures: Measures
) -> dict[str, Any]:
    """Return `probes.json`: what each probe changes of the recipe, and what it was trained on."""
    return {
        "question": "What else sharpens attention, or gives a head a place to rest?",
        "changes": {name: changes[name] for name in variants},
        "measures": asdict(measures),
        "models": {name: variant.facts for name, variant in variants.items()},
    }


def heads_table(variants: Mapping[str, Variant]) -> pd.DataFrame:
    """Return one line per head of every variant: variant, heads, seed, and the columns of its verdict."""
    parts = [
        variant.heads.assign(variant=name, heads=variant.facts["heads"], seed=variant.facts["seed"])
        for name, variant in variants.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    first = ["variant", "heads", "seed"]
    return table[[*first, *table.columns.drop(first)]]


def compare(variants: Mapping[str, Variant], measures: Measures) -> Comparison:
    """Hold the variants against merged heads of those that have most heads, over all of these pooled.

    `scarcity.csv` has, beside the columns of `variants_table`, of the variants with fewer heads: merged_low,
    merged_high (`united`), added_low, added_high, all with what is undecided counted as not done; answer (of
    their number of heads). `scarcity_merged.csv`: heads, merging, counting, statistic, mean, low, high: 95 %
    of the random partitions.

    Raises:
        PolyheadError: heads of the largest number cannot be put into groups of one size.
    """
    table = variants_table(variants)
    most = int(table["heads"].max())
    fewer = sorted(set(table["heads"]) - {most})
    if not fewer or any(most % heads for heads in fewer):
        raise PolyheadError(f"variants of {sorted(set(table['heads']))} heads: each must divide the largest")
    largest = [variant for variant in variants.values() if variant.facts["heads"] == most]
    null = null_table(largest, fewer, measures)
    answers = {heads: _answer(variants, null, heads) for heads in fewer}
    table = table.merge(_beside(null), on="heads", how="left")
    table["answer"] = table["heads"].map(answers)
    return Comparison(table, null, _record(variants, table, answers, measures))


def null_table(largest: list[Variant], fewer: list[int], measures: Measures) -> pd.DataFrame:
    """Return what merged heads do: mean and interval over random partitions of all the largest models.

    Documents are not drawn for it, so that its upper end is lower than it could be: that favours *yes*.
    """
    lines = []
    for heads, (name, merging) in product(fewer, MERGINGS.items()):
        draws = [
            merged(layers_of(one.profile), heads, merging, measures.partitions, measures.seed)
            for one in largest
        ]
        pooled = np.concatenate(draws).reshape(-1, len(COUNTINGS) * len(STATISTICS))
        numbers = zip(pooled.mean(0), *np.percentile(pooled, INTERVAL, axis=0), strict=True)
        lines += [
            (heads, name, *what, *values)
            for what, values in zip(product(COUNTINGS, STATISTICS), numbers, strict=True)
        ]
    return pd.DataFrame(lines, columns=[*NULL, "mean", "low", "high"])


def _answer(variants: Mapping[str, Variant], null: pd.DataFrame, heads: int) -> Answer:
    some = null[(null["heads"] == heads) & (null["statistic"] == "behaviours")]
    observed = [
        variant.observed[variant.observed["statistic"] == "behaviours"].set_index("counting")[["low", "high"]]
        for variant in variants.values()
        if variant.facts["heads"] == heads
    ]
    return answer(observed, some.pivot(index="counting", columns="merging", values="high"))


def _beside(null: pd.DataFrame) -> pd.DataFrame:
    """Return the intervals of merged heads that the table of variants shows, by number of heads."""
    some = null[(null["statistic"] == "behaviours") & (null["counting"] == "surely")]
    sides = some.pivot(index="heads", columns="merging", values=["low", "high"])
    columns = {"merged": "united", "added": "added"}
    return pd.DataFrame(
        {
            f"{name}_{side}": sides[side, merging]
            for name, merging in columns.items()
            for side in ("low", "high")
        }
    ).reset_index()


def _record(
    variants: Mapping[str, Variant], table: pd.DataFrame, answers: Mapping[int, Answer], measures: Measures
) -> dict[str, Any]:
    most = table["heads"].max()
    return {
        "question": "Do fewer heads each carry more than merging explains?",
        "rule": RULE,
        "answer": overall([*answers.values()]),
        "answer_by_heads": {str(heads): found for heads, found in answers.items()},
        "merged_from": table.loc[table["heads"] == most, "variant"].tolist(),
        "measures": asdict(measures),
        "models": {name: variant.facts for name, variant in variants.items()},
    }
