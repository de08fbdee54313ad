"""What the smoke study gave when its numbers were last accepted: exact counts and headline numbers."""

import json
import math
from pathlib import Path

import pandas as pd

from polyhead.files import read_csv

KEPT = Path(__file__).with_name("smoke.json")
RELATIVE, ABSOLUTE = 1e-4, 2e-5
"""Probabilities differ by 4e-6 of their size between processors with and without AVX-512."""
MOST_SHOWN = 12
HOW_TO_RENEW = (
    "Where this is meant: `make golden` writes tests/golden/smoke.json anew; look at the difference."
)


def golden_values(study):
    """Return {name: value} of a finished study: counts and texts are compared exactly."""
    values = {"prompts": len(pd.read_parquet(study / "prompts.parquet", columns=["prompt"]))}
    for folder in sorted((study / "heads").iterdir()):
        values |= {f"{folder.name}/{name}": value for name, value in head_values(folder).items()}
    for line in read_csv(study / "edges.csv").to_dict("records"):
        name = f"edges/{line['head']}/{line['edges']}"
        values |= {f"{name}/{key}": line[key] for key in ("rows", "does")}
        values |= {
            f"{name}/{key}": line[key] for key in ("mass", "entropy", "cost", "bos") if pd.notna(line[key])
        }
    for line in read_csv(study / "verdicts.csv").to_dict("records"):
        values[f"verdicts/{line['head']}"] = f"{line['verdict']} {line['behaviours']}"
    return values


def head_values(folder):
    """Return one head's numbers: rows of every label, what ablation leaves of tasks, where it matters."""
    values = {}
    labels = pd.read_parquet(folder / "labels.parquet")
    for taxonomy in labels.select_dtypes("category"):
        counts = labels[taxonomy].value_counts()
        values |= {f"rows/{taxonomy}/{label}": int(n) for label, n in counts[counts > 0].items()}
    for run in pd.read_csv(folder / "ablation.csv").to_dict("records"):
        name = f"ablation/{run['task']}/{run['method']}/{run['run']}"
        values[f"{name}/top1"] = round(run["top1"] * run["prompts"])
        values[f"{name}/mean_probability"] = run["mean_probability"]
    for line in read_csv(folder / "moments.csv").to_dict("records"):
        name = "/".join(line[key] for key in ("edges", "destination", "source", "next_token"))
        values |= {f"moments/{name}/count": line["count"], f"moments/{name}/drop": line["drop"]}
    for line in pd.read_csv(folder / "mechanism/needs.csv").to_dict("records"):
        name = f"needs/{line['edges']}/{line['component']}/{line['side']}"
        values[name] = float(line["share"])
    return values


def differences(kept, found):
    """Return a line for every number that came, went or changed; floats may differ by rounding."""
    return [
        f"{name}: was {kept.get(name, 'not there')}, is {found.get(name, 'not there')}"
        for name in sorted(kept.keys() | found.keys())
        if not _same(kept.get(name), found.get(name))
    ]


def _same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return one == other and type(one) is type(other)


def complaint(lines):
    """Say what differs and what to do about it."""
    more = [f"… and {len(lines) - MOST_SHOWN} more"] if len(lines) > MOST_SHOWN else []
    return "\n".join(["the smoke study's numbers changed:", *lines[:MOST_SHOWN], *more, HOW_TO_RENEW])


def read_kept():
    """Return the accepted numbers."""
    return json.loads(KEPT.read_text(encoding="utf-8"))
