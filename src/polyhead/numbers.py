"""Every number of the report, gathered from the study's tables into one file: `numbers.json`.

A number carries its value, its unit, its interval, how many observations it rests on, the file it came from
and the text that is printed, so that the report formats nothing and invents nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from polyhead.errors import PolyheadError
from polyhead.files import read_json, read_parquet, write_json
from polyhead.tokens import ALL

CONFIDENCE = "95\u00a0% interval"
MINUS, NBSP = "−", "\u00a0"
COMMON = 0.01
"""A behaviour is called common from this share of rows on."""
ALIKE = ("⏎[·×3]", "⏎[·×7]")
"""Destination tokens whose likeness the post remarks on."""
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
"""Sources named for each example row."""
Reader = Callable[[Path, dict[str, str], str], Iterator["Number"]]
ABLATION_QUANTITIES = {"top1": "percent", "mean_probability": "probability"}


@dataclass(frozen=True)
class Number:
    """One number as the report prints it, and where it came from.

    `about` says what it is the number of: its values, joined, are the number's key. `detail` holds what was
    found with it, such as the token at which a drop is largest.
    """

    about: dict[str, str]
    value: float | int
    unit: str
    source: str
    n: int | None = None
    low: float | None = None
    high: float | None = None
    text: str = ""
    detail: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.text:
            object.__setattr__(self, "text", format_value(self.value, self.unit))

    @property
    def key(self) -> str:
        """Name of the number, unique in a study."""
        return "/".join(self.about.values())

    @property
    def interval(self) -> str:
        """Its interval as text, empty where it has none."""
        if self.low is None or self.high is None:
            return ""
        return f"{format_value(self.low, self.unit)} to {format_value(self.high, self.unit)}"

    @property
    def brief(self) -> str:
        """Text with the bare interval, for tables."""
        if not self.interval:
            return self.text
        low, high = (_bare(format_value(side, self.unit)) for side in (self.low, self.high))
        return f"{self.text} [{low}, {high}]"

    @property
    def full(self) -> str:
        """Text with the interval in brackets."""
        return f"{self.text} ({CONFIDENCE} {self.interval})" if self.interval else self.text

    @property
    def inside(self) -> str:
        """Text with the interval, to stand inside brackets."""
        return f"{self.text}; {CONFIDENCE} {self.interval}" if self.interval else self.text


class Numbers:
    """The numbers of one study, found by what they are about."""

    def __init__(self, numbers: Iterable[Number]) -> None:
        self._by_key: dict[str, Number] = {}
        for number in numbers:
            if number.key in self._by_key:
                raise PolyheadError(f"two numbers have the key {number.key!r}")
            self._by_key[number.key] = number

    def __iter__(self) -> Iterator[Number]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def find(self, **about: str) -> list[Number]:
        """Return the numbers whose `about` has all these values, in the order they were gathered."""
        return [number for number in self if about.items() <= number.about.items()]

    def get(self, key: str) -> Number:
        """Return the number with this key.

        Raises:
            PolyheadError: there is none.
        """
        if key not in self._by_key:
            raise PolyheadError(f"the study has no number {key!r}")
        return self._by_key[key]

    def values(self, name: str, **about: str) -> list[str]:
        """Return the different values that `about[name]` takes, in the order they were gathered."""
        found = (number.about[name] for number in self.find(**about) if name in number.about)
        return list(dict.fromkeys(found))


def format_value(value: float | int, unit: str) -> str:
    """Return the text that is printed for a value.

    Shares are values between 0 and 1 and print as percentages; a difference of shares prints as percentage
    points; a share that would round to nothing prints as `<0.1 %`.
    """
    if not math.isfinite(value):
        return "–"
    text = _FORMATS[unit](value)
    return (text if re.search("[1-9]", text) else text.lstrip("-+")).replace("-", MINUS)


def _bare(text: str) -> str:
    return text.split(NBSP)[0]


def _percent(value: float | int) -> str:
    return f"<0.1{NBSP}%" if 0 < value < 0.0005 else f"{100 * value:.1f}{NBSP}%"


def _probability(value: float | int) -> str:
    if 0 < value < 0.0005:
        return f"{value:.4f}" if value >= 0.0001 else "<0.0001"
    return f"{value:.3f}"


def _size(count: float | int) -> str:
    return f"{count / 1e6:.1f}{NBSP}MB" if count >= 100_000 else f"{count / 1e3:.1f}{NBSP}kB"


def _duration(seconds: float | int) -> str:
    if seconds < 60:
        return f"{seconds:.1f}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NBSP}h {minutes}{NBSP}min" if hours else f"{minutes}{NBSP}min {rest}{NBSP}s"


_FORMATS = {
    "percent": _percent,
    "points": lambda value: f"{100 * value:.1f}{NBSP}pp",
    "probability": _probability,
    "weight": lambda value: f"{value:.2f}",
    "score": lambda value: f"{value:.2f}",
    "times": lambda value: f"{value:.1f}×",
    "count": lambda value: f"{round(value):,}",
    "index": lambda value: str(round(value)),
    "setting": lambda value: f"{value:g}",
    "seconds": _duration,
    "nats": lambda value: f"{value:.2f}{NBSP}nats",
    "effect": lambda value: f"{value:+.4f}{NBSP}nats",
    "bits": lambda value: f"{value:.2f}{NBSP}bits",
    "gibibytes": lambda value: f"{value:.1f}{NBSP}GiB",
    "bytes": _size,
}


def interval_of(low: Any, high: Any) -> dict[str, float]:
    """Return an interval's two sides by name; nothing where a table has none (one prompt has no spread)."""
    sides = {"low": float(low), "high": float(high)} if low != "" and high != "" else {}
    return sides if all(math.isfinite(side) for side in sides.values()) else {}


def write_numbers(path: Path | str, numbers: Numbers) -> None:
    """Write `numbers.json`: key → value, unit, n, low, high, text, source, about, detail."""
    write_json(path, {number.key: asdict(number) for number in numbers})


def read_numbers(path: Path | str) -> Numbers:
    """Read `numbers.json`."""
    return Numbers(Number(**record) for record in read_json(path).values())


def gather(study: Path, model: Path, heads: Iterable[str]) -> Numbers:
    """Gather the numbers of a study from the tables that it has.

    Args:
        study: the study's folder, `results/<study>`.
        model: the model's directory, with its config.json and, if it has one, its evaluation.json.
        heads: heads of the study, `"<layer>.<head>"`.
    """
    config = read_json(study / "provenance.json")["config"]
    numbers = [*_model(model), *_provenance(study / "provenance.json"), *_prompts(study / "prompts.parquet")]
    numbers += _tables(study, OF_STUDY, {}, "")
    for head in heads:
        numbers += _tables(study / "heads" / head, OF_HEAD, {"head": head}, f"heads/{head}/")
        numbers += _derived(Numbers(numbers), head, config["taxonomies"][0])
    return Numbers(numbers)


def _tables(
    folder: Path, readers: Mapping[str, Reader], about: dict[str, str], where: str
) -> Iterator[Number]:
    """Read the tables that are there."""
    for name, reader in readers.items():
        if (folder / name).is_file():
            yield from reader(folder / name, about, f"{where}{name}")


def _model(model: Path) -> Iterator[Number]:
    from polyhead.models import named_sizes

    fields = named_sizes(read_json(model / "config.json"))
    for name in ("n_layers", "n_heads", "d_model", "d_head", "n_ctx", "d_vocab"):
        if name in fields:
            yield Number({"part": "model", "quantity": name}, fields[name], "count", "model config.json")
    if (model / "evaluation.json").is_file():
        yield from _evaluation(read_json(model / "evaluation.json"))


def _evaluation(evaluation: Mapping[str, Any]) -> Iterator[Number]:
    source = "model evaluation.json"
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
    for path, file in record["files"].items():
        yield Number({"part": "file", "path": path}, file["bytes"], "bytes", source)


def _prompts(path: Path) -> Iterator[Number]:
    table = read_parquet(path).to_pandas()
    lengths = table["tokens"].str.len()
    totals = {"prompts": len(table), "tokens": lengths.sum(), "longest": lengths.max()}
    for name, value in totals.items():
        yield Number({"part": "data", "quantity": name}, int(value), "count", path.name)
    if "kind" in table:
        for kind, share in table["kind"].value_counts(normalize=True).items():
            about = {"part": "data", "quantity": "share", "kind": str(kind)}
            yield Number(about, float(share), "percent", path.name, n=len(table))


def _distribution(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """Shares of the destination tokens that the figure shows."""
    table = pd.read_csv(path, keep_default_na=False, dtype={"token_label": str, "behaviour": str})
    groups = dict(iter(table.groupby(["taxonomy", "token_label"], sort=False)))
    for taxonomy in table["taxonomy"].unique():
        for token in read_json(path.with_name("shown.json"))["shown"]:
            if (taxonomy, token) in groups:
                names = {"taxonomy": taxonomy, "token": token}
                yield from _shares(groups[taxonomy, token], about, names, source)


def _shares(
    group: pd.DataFrame, about: dict[str, str], names: dict[str, str], source: str
) -> Iterator[Number]:
    total = int(group["rows"].sum())
    yield Number(about | {"table": "rows"} | names, total, "count", source)
    for row in group.itertuples():
        names = names | {"behaviour": row.behaviour}
        interval = interval_of(row.ci_low, row.ci_high)
        about_share = about | {"table": "distribution"} | names
        yield Number(about_share, float(row.share), "percent", source, n=total, **interval)


def _ablation(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    for row in pd.read_csv(path, keep_default_na=False).to_dict("records"):
        names = about | {"table": "ablation", "task": row["task"], "kind": row["kind"], "run": row["run"]}
        for quantity, unit in ABLATION_QUANTITIES.items():
            interval = interval_of(row[f"{quantity}_low"], row[f"{quantity}_high"])
            value, n = float(row[quantity]), int(row["prompts"])
            yield Number(names | {"quantity": quantity}, value, unit, source, n, **interval)
        yield Number(names | {"quantity": "prompts"}, int(row["prompts"]), "count", source)


def _positions(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    for row in pd.read_csv(path, keep_default_na=False).to_dict("records"):
        names = {"table": "positions", "task": row["task"], "kind": row["kind"]}
        names |= {"position": str(row["position"])}
        detail = {"token": str(row["token_label"]), "role": str(row["role"])}
        interval = interval_of(row["drop_low"], row["drop_high"])
        yield Number(about | names, float(row["drop"]), "points", source, detail=detail, **interval)


def _controls(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    units = {"mean": "weight", "share": "percent", "drop": "points"}
    for row in pd.read_csv(path).to_dict("records"):
        names = {"table": "controls"} | {name: row[name] for name in ("task", "control", "quantity")}
        interval = interval_of(row["low"], row["high"])
        unit, n = units[row["quantity"]], int(row["prompts"])
        yield Number(about | names, float(row["value"]), unit, source, n, **interval)


def _real_text(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    for row in pd.read_csv(path, keep_default_na=False).to_dict("records"):
        names = {"table": "real text", "taxonomy": row["taxonomy"], "label": row["label"]}
        interval = interval_of(row["low"], row["high"])
        n = int(row["rows"])
        quantity = {"quantity": "mean"}
        yield Number(about | names | quantity, float(row["mean"]), "effect", source, n, **interval)
        for name in ("share", "of_total", "harmed"):
            yield Number(about | names | {"quantity": name}, float(row[name]), "percent", source, n)


def _tasks_by_heads(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    for row in pd.read_csv(path, dtype={"head": str}).to_dict("records"):
        names = about | {"table": "tasks by heads", "task": row["task"], "of": row["head"]}
        interval = interval_of(row["drop_low"], row["drop_high"])
        n = int(row["prompts"])
        yield Number(names | {"quantity": "drop"}, float(row["drop"]), "points", source, n, **interval)
        yield Number(names | {"quantity": "attention"}, float(row["attention"]), "weight", source, n)


def _atlas(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """The entropy of every head's labels, and its largest label."""
    table = pd.read_csv(path, keep_default_na=False)
    for (layer, head, taxonomy), group in table.groupby(["layer", "head", "taxonomy"], sort=False):
        names = about | {"table": "atlas", "taxonomy": taxonomy, "of": f"{layer}.{head}"}
        largest = group.loc[group["share"].idxmax()]
        n, detail = int(group["rows"].sum()), {"behaviour": str(largest["behaviour"])}
        yield Number(names | {"quantity": "entropy"}, float(group["entropy"].iloc[0]), "bits", source, n)
        yield Number(
            names | {"quantity": "largest"}, float(largest["share"]), "percent", source, n, detail=detail
        )


def _precision(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """The share of rows that get another label when the model runs in less than float32."""
    for row in pd.read_csv(path).itertuples():
        names = {"table": "precision", "taxonomy": row.taxonomy, "head": f"{row.layer}.{row.head}"}
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


def _by_kind(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    table = pd.read_csv(path, keep_default_na=False)
    totals = table.groupby(["taxonomy", "kind"])["rows"].sum()
    for row in table.itertuples():
        names = {"table": "by kind", "taxonomy": row.taxonomy, "kind": row.kind, "behaviour": row.behaviour}
        n = int(totals[row.taxonomy, row.kind])
        interval = interval_of(row.ci_low, row.ci_high)
        yield Number(about | names, float(row.share), "percent", source, n=n, **interval)


def _unknown(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """What the extended labels make of rows that the first taxonomy leaves unknown, over all tokens."""
    table = pd.read_csv(path, keep_default_na=False)
    for row in table[table["token_label"] == ALL].itertuples():
        names = about | {"table": "unknown", "behaviour": row.behaviour}
        yield Number(names, float(row.share), "percent", source, n=int(row.rows))


def _unknown_sources(path: Path, about: dict[str, str], source: str) -> Iterator[Number]:
    """The tokens that rows unknown to every taxonomy attend to most, over all destination tokens."""
    table = pd.read_csv(path, keep_default_na=False)
    for row in table[table["token_label"] == ALL].itertuples():
        names = about | {"table": "unknown sources", "source": row.source_label}
        yield Number(names | {"quantity": "share"}, float(row.share), "percent", source, n=int(row.rows))
        yield Number(names | {"quantity": "expected"}, float(row.expected_share), "percent", source)
        yield Number(names | {"quantity": "lift"}, float(row.lift), "times", source)


OF_STUDY: dict[str, Reader] = {
    "tasks_by_heads.csv": _tasks_by_heads,
    "atlas.csv": _atlas,
    "precision.csv": _precision,
}
OF_HEAD: dict[str, Reader] = {
    "distribution.csv": _distribution,
    "examples.json": _examples,
    "by_kind.csv": _by_kind,
    "unknown.csv": _unknown,
    "unknown_sources.csv": _unknown_sources,
    "ablation.csv": _ablation,
    "ablation_positions.csv": _positions,
    "controls.csv": _controls,
    "real_text.csv": _real_text,
}


def ranking(numbers: Numbers, head: str, taxonomy: str, token: str = ALL) -> list[Number]:
    """Return the shares of a destination token's behaviours, the largest first."""
    shares = numbers.find(head=head, table="distribution", taxonomy=taxonomy, token=token)
    return sorted(shares, key=lambda number: -number.value)


def _derived(numbers: Numbers, head: str, taxonomy: str) -> Iterator[Number]:
    """Numbers that sentences need and no table holds: extremes over tokens, positions and heads."""
    yield from _derived_tokens(numbers, head, taxonomy)
    drops = numbers.find(head=head, table="positions")
    for task, kind in dict.fromkeys((number.about["task"], number.about["kind"]) for number in drops):
        yield from _derived_positions(numbers, {"head": head}, {"task": task, "kind": kind})
    for task in numbers.values("task", table="tasks by heads"):
        yield from _rank(numbers.find(table="tasks by heads", task=task, quantity="drop"), head, task)
    for name in numbers.values("taxonomy", table="atlas"):
        yield from _rank(
            numbers.find(table="atlas", taxonomy=name, quantity="entropy"), head, f"atlas {name}"
        )


def _rank(values: list[Number], head: str, among: str) -> Iterator[Number]:
    """Where a head stands among all heads of the model, the largest value first."""
    values = sorted(values, key=lambda number: -number.value)
    heads = [number.about["of"] for number in values]
    if head not in heads:
        return
    about = {"head": head, "table": "rank", "among": among}
    rank = 1 + heads.index(head)
    detail = {"largest": heads[0], "value": values[0].text}
    yield Number(about, rank, "index", values[0].source, n=len(values), detail=detail)


def _derived_tokens(numbers: Numbers, head: str, taxonomy: str) -> Iterator[Number]:
    about = {"head": head, "table": "tokens"}
    of_head = numbers.values("token", head=head, table="distribution", taxonomy=taxonomy)
    tokens = [token for token in of_head if token != ALL]
    yield Number(about | {"quantity": "shown"}, len(tokens), "index", "distribution.csv")
    top = sorted((ranking(numbers, head, taxonomy, token)[0] for token in tokens), key=lambda n: n.value)
    for name, number in (("least", top[0]), ("most", top[-1])) if top else ():
        detail = {part: number.about[part] for part in ("token", "behaviour")}
        yield replace(number, about=about | {"quantity": name}, detail=detail)
    common = [
        n for n in numbers.find(table="distribution", taxonomy="extended", token=ALL) if n.value >= COMMON
    ]
    if common:
        yield Number(about | {"quantity": "common behaviours"}, len(common), "index", "distribution.csv")
        yield Number(about | {"quantity": "common"}, COMMON, "percent", "definition")
    if set(ALIKE) <= set(tokens):
        yield Number(
            about | {"quantity": "difference"},
            largest_difference(numbers, head, taxonomy, ALIKE),
            "points",
            "distribution.csv",
        )


def _derived_positions(numbers: Numbers, head: dict[str, str], task: dict[str, str]) -> Iterator[Number]:
    """The drop at the destination, and the largest drop anywhere else."""
    drops = numbers.find(table="positions", **head, **task)
    elsewhere = [number for number in drops if number.detail["role"] != "destination"]
    chosen = {"destination": next(n for n in drops if n.detail["role"] == "destination")}
    if elsewhere:
        chosen["elsewhere"] = max(elsewhere, key=lambda number: number.value)
    for name, number in chosen.items():
        yield replace(number, about=head | {"table": "drop"} | task | {"quantity": name})


def largest_difference(numbers: Numbers, head: str, taxonomy: str, pair: tuple[str, str]) -> float:
    """Return the largest difference between two destination tokens' shares of the same behaviour."""
    shares = [{n.about["behaviour"]: n.value for n in ranking(numbers, head, taxonomy, t)} for t in pair]
    return max(abs(shares[0].get(name, 0.0) - shares[1].get(name, 0.0)) for name in shares[0] | shares[1])
