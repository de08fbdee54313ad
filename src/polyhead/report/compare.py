"""Finished studies side by side, from their tables alone: nothing is computed that a study does not hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from polyhead.ablation.verdict import JOINT, Verdict
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS
from polyhead.errors import PolyheadError
from polyhead.files import read_csv, read_json
from polyhead.study.records import check_unedited

TABLES = ("provenance.json", "verdicts.csv", "atlas.csv")
THRESHOLDS = (0.8, 0.9, 0.95, 0.99)
SAME = ("previous_window", "threshold", "context", "prompts", "ablation.profile_prompts")
"""Keys of the config without which shares and verdicts are of one measure."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Compared:
    """What is read of one study: its record, and its tables of all heads and of the heads it shows."""

    name: str
    provenance: Mapping[str, Any]
    verdicts: pd.DataFrame
    atlas: pd.DataFrame
    sensitivity: pd.DataFrame
    """Of the heads that the study shows: `head` and the columns of `sensitivity.csv`."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The config as the study ran with it."""
        return self.provenance["config"]

    @property
    def model(self) -> Mapping[str, Any]:
        """The model's sizes."""
        return self.provenance["model"]


def read_compared(results: Path | str, name: str) -> Compared:
    """Read a finished study of the folder of results.

    Raises:
        PolyheadError: it is not there, not finished, or was edited by hand; the message says what is missing.
    """
    folder = Path(results) / name
    provenance = read_json(folder / TABLES[0]) if (folder / TABLES[0]).is_file() else {"config": {"head": []}}
    shown = {head: folder / "heads" / head / "sensitivity.csv" for head in provenance["config"]["head"]}
    needed = [*(folder / table for table in TABLES), *shown.values()]
    if missing := [path for path in needed if not path.is_file()]:
        raise PolyheadError(
            f"{missing[0]} is missing: the study {name!r} is not finished, or leaves it out "
            "(atlas_prompts and ablation.profile_prompts must be above 0); finish it first, then compare"
        )
    check_unedited(folder, [str(path) for path in needed])
    verdicts, atlas = (read_csv(folder / table) for table in TABLES[1:])
    costs = {f"{name}_cost": pd.to_numeric(verdicts[f"{name}_cost"]) for name in CLASS_BEHAVIOURS}
    rows = [read_csv(path).assign(head=head) for head, path in shown.items()]
    return Compared(name, provenance, verdicts.assign(**costs), atlas, pd.concat(rows, ignore_index=True))


def check_names(names: Sequence[str]) -> None:
    """Raise `PolyheadError` unless at least two studies are named, each once."""
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise PolyheadError(
            f"studies: {list(names)} given; name two or more finished studies, each once: "
            "snakemake compare --config studies='[reference,smollm2]'"
        )


def settings(studies: Sequence[Compared]) -> pd.DataFrame:
    """Tabulate what was studied: one line a study."""
    return pd.DataFrame([_setting(study) for study in studies])


def _setting(study: Compared) -> dict[str, Any]:
    model, config, source = study.model, study.config, study.provenance.get("model_source") or {}
    where = source.get("package") or source.get("repo") or config["model"]
    return {
        "study": study.name,
        "model": str(where),
        "layers": model["n_layers"],
        "heads": len(study.verdicts),
        "width": model["d_model"],
        "attention only": "yes" if model["attn_only"] else "no",
        "heads shown": ", ".join(config["head"]),
        "prompts": config["prompts"],
        "tokens a prompt": config["context"],
        "prompts for verdicts": config["ablation"]["profile_prompts"],
        "K": config["previous_window"],
        "τ": config["threshold"],
    }


def setting(study: Compared, key: str) -> Any:
    """Return the value of a dotted key of a study's config."""
    value: Any = study.config
    for part in key.split("."):
        value = value[part]
    return value


def other_measures(studies: Sequence[Compared]) -> dict[str, list[Any]]:
    """Return the settings that differ between studies although shares and verdicts hang on them."""
    values = {key: [setting(study, key) for study in studies] for key in SAME}
    return {key: given for key, given in values.items() if len(set(given)) > 1}


def verdict_counts(studies: Sequence[Compared]) -> pd.DataFrame:
    """Count heads by verdict, by their own intervals and by joint ones, and as shares of all heads.

    Returns:
        study, verdict, heads, share, heads_joint.
    """
    lines = []
    for study in studies:
        own, joint = (study.verdicts[f"verdict{suffix}"].value_counts() for suffix in ("", JOINT))
        for name in VERDICTS:
            heads = int(own.get(name, 0))
            lines.append((study.name, name, heads, heads / len(study.verdicts), int(joint.get(name, 0))))
    return pd.DataFrame(lines, columns=["study", "verdict", "heads", "share", "heads_joint"])


def behaviour_counts(studies: Sequence[Compared]) -> pd.DataFrame:
    """Count the heads that do each behaviour, and that may do it.

    Returns:
        study, behaviour, heads (yes), share (of all heads), undecided (heads), largest_cost (nats, of those
        that do it; missing where none does), head (which that is).
    """
    lines = [_behaviour(study, name) for study in studies for name in CLASS_BEHAVIOURS]
    columns = ["study", "behaviour", "heads", "share", "undecided", "largest_cost", "head"]
    return pd.DataFrame(lines, columns=columns)


def _behaviour(study: Compared, name: str) -> tuple[Any, ...]:
    answers = study.verdicts[name]
    done = study.verdicts[answers == "yes"]
    best = done.loc[done[f"{name}_cost"].idxmax()] if len(done) else None
    largest = (float("nan"), "") if best is None else (float(best[f"{name}_cost"]), str(best["head"]))
    return (
        study.name,
        name,
        len(done),
        len(done) / len(answers),
        int((answers == "undecided").sum()),
        *largest,
    )


def done_costs(studies: Sequence[Compared]) -> pd.DataFrame:
    """Return what each behaviour costs in each head that does it: study, head, behaviour, cost (nats)."""
    lines = [
        (study.name, row["head"], name, row[f"{name}_cost"])
        for study in studies
        for name in CLASS_BEHAVIOURS
        for _, row in study.verdicts[study.verdicts[name] == "yes"].iterrows()
    ]
    return pd.DataFrame(lines, columns=["study", "head", "behaviour", "cost"])


def named_shares(studies: Sequence[Compared]) -> pd.DataFrame:
    """Tabulate the shares of the post's labels of the heads shown, at several thresholds.

    Returns:
        study, head, threshold, label, share, for each study's own window K.
    """
    parts = []
    for study in studies:
        table = study.sensitivity
        own = table["previous_window"] == study.config["previous_window"]
        some = table[own & (table["taxonomy"] == "post") & table["threshold"].isin(THRESHOLDS)]
        parts.append(some.assign(study=study.name)[["study", "head", "threshold", "label", "share"]])
    return pd.concat(parts, ignore_index=True)


def all_heads_shares(studies: Sequence[Compared]) -> pd.DataFrame:
    """Return how the rows of all heads together are labelled: study, taxonomy, label, share, by size."""
    parts = []
    for study in studies:
        rows = study.atlas.groupby(["taxonomy", "label"], as_index=False)["rows"].sum()
        rows["share"] = rows["rows"] / rows.groupby("taxonomy")["rows"].transform("sum")
        parts.append(rows.sort_values("share", ascending=False).assign(study=study.name))
    return pd.concat(parts, ignore_index=True)[["study", "taxonomy", "label", "share"]]


def differences(studies: Sequence[Compared]) -> list[str]:
    """Return sentences on how each pair of studies differs, the largest difference of shares first."""
    return [sentence for pair in combinations(studies, 2) for sentence in _differences(*pair)]


def _differences(one: Compared, other: Compared) -> Iterator[str]:
    verdicts = verdict_counts([one, other]).set_index(["study", "verdict"])
    few = [verdicts.loc[(study.name, "polysemantic")] for study in (one, other)]
    yield (
        f"Polysemantic by the same definition: {_of(few[0], one)} of {one.name}, {_of(few[1], other)} of "
        f"{other.name}; by joint intervals {int(few[0]['heads_joint'])} and {int(few[1]['heads_joint'])}."
    )
    found = behaviour_counts([one, other]).pivot(
        index="behaviour", columns="study", values=["heads", "share"]
    )
    apart = (found["share", one.name] - found["share", other.name]).abs().sort_values(ascending=False)
    for name in apart.index[apart > 0]:
        more, less = sorted((one, other), key=lambda study: -found.loc[name, ("share", study.name)])
        yield (
            f"{name.capitalize()} is done by {found.loc[name, ('share', more.name)]:.0%} of the heads of "
            f"{more.name} and by {found.loc[name, ('share', less.name)]:.0%} of those of {less.name}."
        )


def _of(count: pd.Series, study: Compared) -> str:
    return f"{int(count['heads'])} of {len(study.verdicts)} heads ({count['share']:.0%})"
