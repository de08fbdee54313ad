"""Readers of a study's tables: every number that the report prints, with the file it came from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from polyhead.files import read_csv, read_json, read_parquet
from polyhead.model.vocabulary import ALL
from polyhead.report import contexts, edge_gather, label_gather, mechanism, rivals, scarcity, siblings
from polyhead.report.derived import derived
from polyhead.report.numbers import ABLATION_QUANTITIES, DROP_QUANTITIES, Number, Numbers, interval_of

SCORES = (
    "previous",
    "previous_window",
    "induction_repeated",
    "induction",
    "duplicate",
    "bos",
    "unknown_share",
)
"""Scores of a head in the model card that the report prints."""
TOP_WEIGHTS = 3
"""How many sources are named for each example row."""
Reader = Callable[[Path, dict[str, str], str], Iterator[Number]]


def gather(study: Path, model: Path, heads: Iterable[str], beside: Path | None = None) -> Numbers:
    """Gather the numbers from all tables that a study has.

    Args:
        study: the study's folder, `results/<study>`.
        model: the model's directory, with its config.json and, if it has one, its evaluation.json.
        heads: heads of the study, `"<layer>.<head>"`.
        beside: the folder with the comparison of models of fewer heads (`resources/scarcity`), if any.
    """
    config = read_json(study / "provenance.json")["config"]
    where = os.path.relpath(model, study)
    numbers = [
        *_model(model, where),
        *_provenance(study / "provenance.json"),
        *_prompts(study / "prompts.parquet"),
    ]
    numbers += _tables(study, OF_STUDY, {}, "")
    for head in heads:
        numbers += _tables(study / "heads" / head, OF_HEAD, {"head": head}, f"heads/{head}/")
        numbers += derived(Numbers(numbers), study, head, config["taxonomies"][0])
    if beside is not None:
        numbers += scarcity.numbers_of(beside, os.path.relpath(beside, study))
        numbers += scarcity.probes_of(beside, os.path.relpath(beside, study))
    return Numbers(numbers)


def _tables(
    folder: Path, readers: Mapping[str, Reader], about: dict[str, str], where: str
) -> Iterator[Number]:
    """Read those tables that exist."""
    for name, reader in readers.items():
        if (folder / name).is_file():
            yield from reader(folder / name, about, f"{where}{name}")


def _model(model: Path, where: str) -> Iterator[Number]:
    from polyhead.model.shape import named_sizes

    source = f"{where}/config.json"
    fields = named_sizes(read_json(model / "config.json"))
    for name in ("n_layers", "n_heads", "d_model", "d_head", "n_ctx", "d_vocab"):
        if name in fields:
            yield Number({"part": "model", "quantity": name}, fields[name], "count", source)
    if (model / "evaluation.json").is_file():
        yield from _evaluation(read_json(model / "evaluation.json"), f"{where}/evaluation.json")


def _evaluation(evaluation: Mapping[str, Any], source: str) -> Iterator[Number]:
    units = {"nats_per_token": "nats", "bits_per_byte": "bits", "top1": "percent"}
    if "tokens_seen" in evaluation:
        about = {"part": "model", "quantity": "tokens_seen"}
        yield Number(about, evaluation["tokens_seen"], "count", source)
    for name, unit in units.items():
        if name in evaluation.get("held_out", {}):
            about = {"part": "model", "quantity": name}
            yield Number(about, evaluation["held_out"][name], unit, source)
    for head, scores in evaluation.get("heads", {}).items():
        for name in (name for name in SCORES if name in scores):
            yield Number({"part": "score", "head": head, "quantity": name}, scores[name], "score", source)


def _provenance(path: Path) -> Iterator[Number]:
    record, source = read_json(path), path.name
    config = record["config"]
    settings = ("prompts", "context", "previous_window", "threshold", "bootstrap", "seed")
    for name in settings:
        unit = "count" if name == "prompts" else "setting"
        yield Number({"part": "config", "quantity": name}, config[name], unit, source)
    times = {stage: jobs["seconds"] for stage, jobs in record["wall_seconds"].items()}
    for stage, seconds in {**times, "total": sum(times.values())}.items():
        yield Number({"part": "seconds", "stage": stage}, seconds, "seconds", source)
    for name, unit in {"cores": "setting", "memory_gib": "gibibytes"}.items():
        yield Number({"part": "machine", "quantity": name}, record["machine"][name], unit, source)
    for name, file in record["files"].items():
        yield Number({"part": "file", "path": name}, file["bytes"], "bytes", source)


def _prompts(path: Path) -> Iterator[Number]:
    table = read_parquet(path).to_pandas()
    lengths = table["tokens"].str.len()
    totals = {"prompts": len(table), "tokens": lengths.sum(), "longest": lengths.max()}
    for name, value in totals.items():
        yield Number({"part": "data", "quantity": name}, int(value), "count", path.name)
    if "source_type" in table:
        for source_type, share in table["source_type"].value_counts(normalize=True).items():
            about = {"part": "data", "quantity": "share", "source_type": str(source_type)}
            yield Number(about, float(share), "percent", path.name, n=len(table))


def _distribution(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """Shares of labels for the destination tokens that the figure shows."""
    table = read_csv(path)
    groups = dict(iter(table.groupby(["taxonomy", "token_label"], sort=False)))
    for taxonomy in table["taxonomy"].unique():
        for token in read_json(path.with_name("figure_tokens.json"))["shown"]:
            if (taxonomy, token) in groups:
                names = {"taxonomy": taxonomy, "token": token}
                yield from _shares(groups[taxonomy, token], about, names, source)


def _shares(
    group: pd.DataFrame, about: dict[str, str], names: dict[str, str], source: str
) -> Iterator[Number]:
    total = int(group["rows"].sum())
    yield Number(about | {"table": "rows"} | names, total, "count", source)
    for row in group.itertuples():
        names = names | {"label": row.label}
        interval = interval_of(row.low, row.high)
        about_share = about | {"table": "distribution"} | names
        yield Number(about_share, float(row.share), "percent", source, n=total, **interval)
        by_package = interval_of(row.package_low, row.package_high)
        if names["token"] == ALL and by_package:
            about_share = about | {"table": "distribution by package"} | names
            yield Number(about_share, float(row.share), "percent", source, n=total, **by_package)


def _ablation(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    for row in read_csv(path).to_dict("records"):
        names = about | {"table": "ablation", "task": row["task"], "method": row["method"], "run": row["run"]}
        for quantity, unit in ABLATION_QUANTITIES.items():
            interval = interval_of(row[f"{quantity}_low"], row[f"{quantity}_high"])
            value, n = float(row[quantity]), int(row["prompts"])
            yield Number(names | {"quantity": quantity}, value, unit, source, n, **interval)
        for quantity in DROP_QUANTITIES if row["run"] != "clean" else ():
            interval = interval_of(row[f"{quantity}_low"], row[f"{quantity}_high"])
            value, n = float(row[quantity]), int(row["prompts"])
            yield Number(names | {"quantity": quantity}, value, "points", source, n, **interval)
        yield Number(names | {"quantity": "prompts"}, int(row["prompts"]), "count", source)


def _positions(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    for row in read_csv(path).to_dict("records"):
        names = {"table": "positions", "task": row["task"], "method": row["method"]}
        names |= {"position": str(row["position"])}
        detail = {"token": str(row["token_label"]), "role": str(row["role"])}
        interval = interval_of(row["drop_low"], row["drop_high"])
        yield Number(about | names, float(row["drop"]), "points", source, detail=detail, **interval)


def _controls(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    units = {"mean": "weight", "share": "percent", "drop": "points"}
    for row in read_csv(path).to_dict("records"):
        names = {"table": "controls"} | {name: row[name] for name in ("task", "control", "quantity")}
        interval = interval_of(row["low"], row["high"])
        unit, n = units[row["quantity"]], int(row["prompts"])
        yield Number(about | names, float(row["value"]), unit, source, n, **interval)


def _real_text(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    for row in read_csv(path).to_dict("records"):
        names = {"table": "real text", "taxonomy": row["taxonomy"], "label": row["label"]}
        interval = interval_of(row["low"], row["high"])
        n = int(row["rows"])
        quantity = {"quantity": "mean"}
        yield Number(about | names | quantity, float(row["mean"]), "effect", source, n, **interval)
        for name in ("share", "of_total", "harmed"):
            yield Number(about | names | {"quantity": name}, float(row[name]), "percent", source, n)


def _tasks_by_heads(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    for row in read_csv(path).to_dict("records"):
        names = about | {"table": "tasks by heads", "task": row["task"], "of": row["head"]}
        interval = interval_of(row["low"], row["high"])
        n = int(row["prompts"])
        yield Number(names | {"quantity": "drop"}, float(row["drop"]), "points", source, n, **interval)
        yield Number(names | {"quantity": "attention"}, float(row["attention"]), "weight", source, n)


def _atlas(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """The entropy of each head's labels, and the label with the largest share."""
    table = read_csv(path)
    for (head, taxonomy), group in table.groupby(["head", "taxonomy"], sort=False):
        names = about | {"table": "atlas", "taxonomy": taxonomy, "of": head}
        largest = group.loc[group["share"].idxmax()]
        n, detail = int(group["rows"].sum()), {"label": str(largest["label"])}
        yield Number(names | {"quantity": "entropy"}, float(group["entropy"].iloc[0]), "bits", source, n)
        yield Number(
            names | {"quantity": "largest"}, float(largest["share"]), "percent", source, n, detail=detail
        )


def _precision(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """The share of rows that get another label when the model runs in less than float32."""
    for row in read_csv(path).itertuples():
        names = {"table": "precision", "taxonomy": row.taxonomy, "head": row.head}
        detail = {"dtype": row.dtype, "device": row.device}
        yield Number(about | names, float(row.share), "percent", source, n=int(row.rows), detail=detail)


def _examples(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    for k, example in enumerate(read_json(path)):
        for name in ("prompt", "position"):
            names = {"table": "example", "example": str(k), "quantity": name}
            yield Number(about | names, int(example[name]), "index", source)
        for place, top in enumerate(example["top_weights"][:TOP_WEIGHTS]):
            names = {"table": "example", "example": str(k), "quantity": f"weight {place}"}
            detail = {"token": top["token_label"]}
            yield Number(about | names, float(top["weight"]), "weight", source, detail=detail)


def _by_source_type(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    table = read_csv(path)
    totals = table.groupby(["taxonomy", "source_type"])["rows"].sum()
    for row in table.itertuples():
        names = {
            "table": "by source type",
            "taxonomy": row.taxonomy,
            "source_type": row.source_type,
            "label": row.label,
        }
        n = int(totals[row.taxonomy, row.source_type])
        interval = interval_of(row.low, row.high)
        yield Number(about | names, float(row.share), "percent", source, n=n, **interval)


def _unknown(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """What the extended labels make of rows that the first taxonomy leaves unknown, over all tokens."""
    table = read_csv(path)
    for row in table[table["token_label"] == ALL].itertuples():
        names = about | {"table": "unknown", "label": row.label}
        yield Number(names, float(row.share), "percent", source, n=int(row.rows))


def _unknown_sources(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """The tokens that rows unknown to every taxonomy attend to most, over all destination tokens."""
    table = read_csv(path)
    for row in table[table["token_label"] == ALL].itertuples():
        names = about | {"table": "unknown sources", "source": row.source_label}
        yield Number(names | {"quantity": "share"}, float(row.share), "percent", source, n=int(row.rows))
        yield Number(names | {"quantity": "expected"}, float(row.expected_share), "percent", source)
        yield Number(names | {"quantity": "lift"}, float(row.lift), "times", source)


OF_STUDY: dict[str, Reader] = {
    "tasks_by_heads.csv": _tasks_by_heads,
    "atlas.csv": _atlas,
    "precision.csv": _precision,
    **edge_gather.OF_STUDY,
    **rivals.OF_STUDY,
}
OF_HEAD: dict[str, Reader] = {
    "distribution.csv": _distribution,
    "examples.json": _examples,
    "by_source_type.csv": _by_source_type,
    "unknown.csv": _unknown,
    "unknown_sources.csv": _unknown_sources,
    "ablation.csv": _ablation,
    "ablation_positions.csv": _positions,
    "controls.csv": _controls,
    "real_text.csv": _real_text,
    **edge_gather.OF_HEAD,
    **label_gather.OF_HEAD,
    **contexts.OF_HEAD,
    **mechanism.OF_HEAD,
    **siblings.OF_HEAD,
}
