"""A small made-up study, every number of which is known, for the tests of the report."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa

from polyhead.files import write_json, write_parquet
from polyhead.report.document import assemble
from polyhead.report.gather import gather
from polyhead.report.numbers import write_numbers

REPOSITORY = Path(__file__).parents[1]
SOURCES = REPOSITORY / "report"
HEAD = "1.4"
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 80" width="300" height="80">'
    '<rect width="300" height="80" fill="#ffffff"/>'
    '<text x="10" y="40" font-family="DejaVu Sans, sans-serif" font-size="12">{}</text></svg>'
)
SHARES = {
    ("post", "all"): {"previous": 0.412, "inactive": 0.297, "unknown": 0.251, "previous+induction": 0.04},
    ("post", "⏎[·×3]"): {"unknown": 0.871, "previous+induction": 0.1, "previous": 0.029},
    ("post", "⏎[·×7]"): {"unknown": 0.863, "previous+induction": 0.11, "previous": 0.027},
    ("post", "·R"): {"inactive": 0.7, "previous": 0.2, "unknown": 0.1},
    ("post", "|"): {"previous": 0.9, "unknown": 0.1},
    ("post", "`"): {"previous": 0.6, "unknown": 0.4},
    ("extended", "all"): {"previous": 0.41, "bos": 0.29, "indent_bigger": 0.2, "unknown": 0.1},
}
RUNS = {
    "induction": {"clean": (0.93, 0.28), "ablated": (0.25, 0.09)},
    "previous": {"clean": (0.3, 0.2), "ablated": (0.29, 0.19)},
}


WIDTH = {"low": -0.01, "high": 0.01}
CONTEXTS = {
    "previous": (100, 33, 0.02, -0.001),
    "induction": (100, 32, 0.2, 0.19),
    "duplicate": (9, 5, 0.1, 0.1),
}
"""Of each behaviour: contexts, documents, drop of the whole row and of its edges; none of *indent*."""


def config(**changes):
    """The merged config of the made-up study."""
    fields = {
        "study": "made-up",
        "model": "resources/reference-model",
        "corpus": {"path": "resources/corpus", "split": "held_out"},
        "prompts": 20,
        "context": 16,
        "seed": 7,
        "head": [HEAD],
        "previous_window": 4,
        "threshold": 0.95,
        "bootstrap": 100,
        "taxonomies": ["post", "extended"],
    }
    return fields | changes


def write_study(folder, tasks=("induction", "previous"), **changes):
    """Write the study's tables into `folder` and gather its numbers; return the folder."""
    settings = config(**changes)
    for head in settings["head"]:
        write_head(folder / "heads" / head, tasks)
    lines = {"prompt": range(20), "source": ["a.py"] * 20, "source_type": ["code"] * 15 + ["prose"] * 5}
    write_parquet(folder / "prompts.parquet", pa.table(lines | {"tokens": [[0] * 16] * 20}))
    write_json(folder / "provenance.json", provenance(settings))
    write_atlas(folder, settings["head"][-1])
    write_json(folder / "sampling.json", {"says": "20 of 500 sequences, drawn uniformly"})
    write_numbers(folder / "numbers.json", gather(folder, write_model(folder / "model"), settings["head"]))
    (folder / "rulegraph.svg").write_text(SVG.format("rules"), encoding="utf-8")
    return folder


def write_model(folder):
    """Write the two files of a model that the report reads."""
    fields = {"n_layers": 4, "n_heads": 8, "d_model": 256, "d_head": 32, "n_ctx": 256, "d_vocab": 4096}
    scores = {"induction_repeated": 0.61, "previous": 0.33, "unknown_share": 0.25}
    held_out = {"nats_per_token": 2.345, "bits_per_byte": 1.5, "top1": 0.481}
    write_json(folder / "config.json", fields)
    write_json(
        folder / "evaluation.json",
        {"tokens_seen": 8_000_000, "held_out": held_out, "heads": {"1.4": scores, "2.0": scores}},
    )
    return folder


def write_head(folder, tasks):
    """Write one head's tables and pictures."""
    (folder / "figures").mkdir(parents=True)
    (folder / "examples").mkdir()
    distribution_table().to_csv(folder / "distribution.csv", index=False)
    tokens = [token for taxonomy, token in SHARES if taxonomy == "post"]
    write_json(folder / "figure_tokens.json", {"shown": tokens, "absent": [], "minimum_rows": 10})
    for name in ("distribution_post", "distribution_extended", "sensitivity"):
        (folder / "figures" / f"{name}.svg").write_text(SVG.format(f"⏎[·×3] {name}"), encoding="utf-8")
    write_more(folder)
    write_labels(folder)
    write_examples(folder)
    if tasks:
        write_mechanism(folder)
        write_label_costs(folder)
        write_ablation(folder, tasks)


def distribution_table():
    """Shares with intervals of ±2 percentage points; 1000 rows to a token."""
    lines = [
        (taxonomy, token, name, round(1000 * share), share, max(0, share - 0.02), share + 0.02)
        for (taxonomy, token), shares in SHARES.items()
        for name, share in shares.items()
    ]
    columns = ["taxonomy", "token_label", "label", "rows", "share", "low", "high"]
    table = pd.DataFrame(lines, columns=columns)
    return table.assign(package_low=table["share"] - 0.04, package_high=table["share"] + 0.04)


def write_atlas(folder, head):
    """Write the table and figure of all heads: the study's head, and one with less mixed labels."""
    columns = ["head", "dtype", "device", "taxonomy", "rows", "differing", "share"]
    lines = [(head, "bfloat16", "cpu", name, 500, 38, 0.076) for name in ("post", "extended")]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "precision.csv", index=False)
    columns = ["head", "taxonomy", "label", "rows", "share", "entropy"]
    entropies = {head: 1.25, "0.7": 0.5}
    lines = [(h, "post", "unknown", 500, 1.0, bits) for h, bits in entropies.items()]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "atlas.csv", index=False)
    (folder / "figures").mkdir()
    (folder / "figures" / "atlas.svg").write_text(SVG.format("atlas"), encoding="utf-8")


def write_more(folder):
    """Write the tables and figures of section 1 that the post does not have."""
    columns = ["taxonomy", "source_type", "label", "rows", "share", "low", "high"]
    shares = {
        "code": {"previous": 0.5, "unknown": 0.5},
        "prose": {"previous": 0.3, "unknown": 0.6, "inactive": 0.1},
    }
    lines = [
        ("post", source_type, name, 100, share, share - 0.02, share + 0.02)
        for source_type, of_type in shares.items()
        for name, share in of_type.items()
    ]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "by_source_type.csv", index=False)
    columns = ["token_label", "label", "rows", "share"]
    lines = [("all", "indent_bigger", 60, 0.6), ("all", "unknown", 40, 0.4), ("·R", "unknown", 9, 1.0)]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "unknown.csv", index=False)
    columns = ["token_label", "source_label", "rows", "share", "expected_share", "lift"]
    lines = [("all", "·def", 30, 0.3, 0.1, 3.0), ("·R", "x", 3, 0.3, 0.1, 3.0)]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "unknown_sources.csv", index=False)
    (folder / "sensitivity.csv").write_text("threshold,share\n", encoding="utf-8")
    for name in ("by_source_type_post", "unknown"):
        (folder / "figures" / f"{name}.svg").write_text(SVG.format(name), encoding="utf-8")


def write_labels(folder):
    """Write the tables of which edges rows of each label hold, and what unknown rows are without rest."""
    shares = {"previous": 0.45, "unknown": 0.55}
    lines = [("post", name, round(400 * share), share) for name, share in shares.items()]
    columns = ["taxonomy", "label", "rows", "share"]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "unknown_without_rest.csv", index=False)
    lines = [("post", "previous", 412, 0.412, e, m) for e, m in {"open": 0.3, "previous": 0.68}.items()]
    lines.append(("post", "rare", 1, 0.001, "open", 1.0))
    columns = [*columns, "edges", "mass"]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "label_edges.csv", index=False)


def write_mechanism(folder):
    """Write the tables and figures of how the head does it: induction and rest come apart."""
    (folder / "mechanism").mkdir()
    row = ["taxonomy", "label", "rows", "documents"]
    induction, rest = (("edges", name, 400, 40) for name in ("induction", "rest"))
    needs = [
        (*induction, "0.6", "key", 0.4, 0.04, None, None, -0.36),
        (*induction, "0.2", "query", 0.4, 0.42, None, None, 0.02),
        (*induction, "embed", "value", None, None, 0.2, 0.05, -0.15),
        (*rest, "0.6", "key", 0.5, 0.51, None, None, 0.01),
        (*rest, "0.2", "query", 0.5, 0.2, None, None, -0.3),
    ]
    columns = [*row, "component", "side", "share_clean", "share", "effect_clean", "effect", "difference"]
    table = pd.DataFrame(needs, columns=columns)
    for side, width in {"low": -0.01, "high": 0.01, "joint_low": -0.015, "joint_high": 0.015}.items():
        table[side] = table["difference"] + width
    table["lost"] = -table["difference"] / table["share_clean"]
    table = table.assign(lost_low=table["lost"] - 0.025, lost_high=table["lost"] + 0.025)
    table.to_csv(folder / "mechanism/needs.csv", index=False)
    pairs = {("all", "all"): 5.0, ("embed", "0.6"): 4.5, ("bias", "bias"): -0.5, ("embed", "all"): 4.6}
    lines = [(*induction, *pair, value, value - 0.1, value + 0.1) for pair, value in pairs.items()]
    columns = [*row, "query", "key", "contribution", "low", "high"]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "mechanism/scores.csv", index=False)
    lines = [
        (*kind, quantity, 2.0, 0.5, 1.5 * sign, 1.5 * sign - 0.2, 1.5 * sign + 0.2)
        for kind, quantity, sign in (
            (induction, "attended", 1),
            (induction, "next", 1),
            (rest, "attended", 1),
            (rest, "next", -1),
        )
    ]
    columns = [*row, "quantity", "logit", "visible", "difference", "low", "high"]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "mechanism/written.csv", index=False)
    lines = [(*induction, 52, 0.875), (*rest, 52, 0.25)]
    columns = [*row, "inputs", "correlation"]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "mechanism/agreement.csv", index=False)
    line = ("edges", "induction", "0.6 key", "rest", "0.2 query", 0.9, -0.02, -0.05, 0.6)
    columns = ["taxonomy", "first", "first_input", "second", "second_input"]
    columns += ["first_by_first", "second_by_first", "first_by_second", "second_by_second"]
    pd.DataFrame([line], columns=columns).to_csv(folder / "mechanism/dissociations.csv", index=False)
    write_siblings(folder, row, induction, ("edges", "previous", 400, 40))
    for name in ("mechanism_needs", "mechanism_scores"):
        (folder / "figures" / f"{name}.svg").write_text(SVG.format(name), encoding="utf-8")


def write_siblings(folder, row, shared, alone):
    """Write the tables of other heads that do the same: two on one kind of rows, none on another."""
    lines = [
        (*kind, head, chosen, chosen_on, share, share - 0.05, share + 0.05, 0.2)
        for kind, head, chosen, chosen_on, share in (
            (shared, "1.6", True, 0.7, 0.7),
            (shared, "0.2", True, 0.6, 0.6),
            (shared, "0.3", False, 0.55, 0.5),
            (shared, "1.0", False, 0.4, 0.4),
            (alone, "1.0", False, 0.2, 0.3),
            (alone, "0.2", False, 0.4, 0.1),
        )
    ]
    columns = [*row, "head", "chosen", "share_chosen_on", "share", "low", "high", "share_of_all"]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "mechanism/siblings.csv", index=False)
    costs = {folder.name: 0.2, "1.6": 0.15, "0.2": 0.1, "sum": 0.45, "together": 1.4, "beyond": 0.95}
    lines = [
        (*kind, siblings, name, method, costs[name], costs[name] - 0.02, costs[name] + 0.02, 300)
        for kind, siblings, names in ((shared, "1.6+0.2", list(costs)), (alone, "", [folder.name]))
        for method in ("mean", "bos")
        for name in names
    ]
    columns = [*row, "siblings", "ablated", "method", "cost", "low", "high", "measured"]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "mechanism/together.csv", index=False)


def write_label_costs(folder):
    """Write the tables of what rows of each label write and are worth."""
    sizes = {"norm_low": 1.1, "norm_high": 1.6, "distance": 0.8, "distance_low": 0.7, "distance_high": 0.9}
    lines = [
        {"label": label, "rows": 500, "documents": 40, "norm": norm, **sizes, "method": method}
        | {"cost": cost, "low": cost - 0.01, "high": cost + 0.01, "measured": 9}
        for label, norm in {"all": 1.2, "previous": 1.5}.items()
        for method, cost in {"mean": 0.1, "bos": 0.3, "zero": 0.2}.items()
    ]
    at_bos = {"label": "at BOS", "rows": 20, "documents": 20, "norm": 2.5, "distance": 2.25, "measured": 0}
    pd.DataFrame([*lines, at_bos]).to_csv(folder / "resting.csv", index=False)
    columns = ["taxonomy", "edges", "rows", "documents", "mass", "mass_low", "mass_high"]
    columns += ["cost", "low", "high"]
    costs = {"all": (1.0, 0.2), "rest": (0.5, 0.001), "induction": (0.4, 0.15), "previous": (0.1, 0.001)}
    lines = [("post", e, 400, 40, m, m, m, c, c - 0.01, c + 0.01) for e, (m, c) in costs.items()]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "unknown_edges.csv", index=False)


def write_examples(folder):
    """Write two examples."""
    records = []
    for k, token in enumerate(["⏎[·×3]", "`"]):
        (folder / "examples" / f"{k:02d}.svg").write_text(SVG.format(f"example {k}"), encoding="utf-8")
        where = {"prompt": 3, "position": 11 + k, "source": "pkg/a_b.py", "svg": f"examples/{k:02d}.svg"}
        where["top_weights"] = [{"position": 2, "token_label": "|", "weight": 0.625}]
        records.append({"token_label": token, "label": "unknown", "text": f'From "{token}"'} | where)
    write_json(folder / "examples.json", records)


def write_ablation(folder, tasks):
    """Write the tables and figures of section 2."""
    runs, positions = [], []
    for task in tasks:
        for run, (top1, probability) in RUNS[task].items():
            measured = {"top1": top1, "mean_probability": probability}
            sides = {
                f"{n}_{s}": v + d for n, v in measured.items() for s, d in (("low", -0.03), ("high", 0.03))
            }
            drops = {}
            if run == "ablated":
                before = RUNS[task]["clean"]
                lost = {"top1_drop": before[0] - top1, "drop": before[1] - probability}
                drops = lost | {f"{n}_{s}": v + d for n, v in lost.items() for s, d in WIDTH.items()}
            facts = {"task": task, "method": "bos", "run": run, "prompts": 120}
            runs.append(facts | measured | sides | drops)
        for position, drop in enumerate([0.01, 0.02, 0.19], start=1):
            role = "destination" if position == 3 else ""
            line = {
                "task": task,
                "method": "bos",
                "position": position,
                "token_label": f"·t{position}",
                "role": role,
            }
            drop = drop if task == "induction" else drop / 100
            positions.append(line | {"drop": drop, "drop_low": drop - 0.01, "drop_high": drop + 0.01})
        for name in (f"task_{task}", f"ablation_{task}"):
            (folder / "figures" / f"{name}.svg").write_text(SVG.format(name), encoding="utf-8")
    pd.DataFrame(runs).to_csv(folder / "ablation.csv", index=False)
    pd.DataFrame(positions).to_csv(folder / "ablation_positions.csv", index=False)
    write_controls(folder, tasks)
    write_contexts(folder)


def write_contexts(folder):
    """Write the tables of contexts found by rule; the interval of a drop has no width to speak of."""
    names = ["behaviour", "eligible", "prompts", "documents", "run", "method", "edges"]
    runs, positions = [("indent", 0, 0, 0, "clean", "", "", None, None, None, None, None)], []
    for name, (prompts, documents, whole, edges) in CONTEXTS.items():
        facts = (name, 10 * prompts, prompts, documents)
        runs.append((*facts, "clean", "", "", 1.0, 0.8, None, None, None))
        for which, drop in (("all", whole), (name, edges)):
            sides = (drop - 0.01, drop + 0.01) if documents >= 20 else (None, None)
            runs += [(*facts, "ablated", m, which, 0.9, 0.8 - drop, drop, *sides) for m in ("bos", "mean")]
        positions += [(name, d, prompts, 0.05 / d, None, None) for d in range(1, 17)]
    more = ["top1", "probability", "drop", "low", "high"]
    pd.DataFrame(runs, columns=names + more).to_csv(folder / "contexts.csv", index=False)
    columns = ["behaviour", "distance", "prompts", "drop", "low", "high"]
    pd.DataFrame(positions, columns=columns).to_csv(folder / "context_positions.csv", index=False)


def write_controls(folder, tasks):
    """Write the tables of controls, of all heads, and of real text."""
    measured = {
        ("attention", "mean"): 0.61,
        ("attention", "share"): 0.9,
        ("behaviour", "mean"): 0.75,
        ("behaviour", "share"): 0.3,
        ("head", "drop"): 0.19,
        ("edge", "drop"): 0.15,
    }
    columns = ["task", "control", "quantity", "value", "low", "high", "prompts"]
    lines = [(t, *name, v, v - 0.02, v + 0.02, 120) for t in tasks for name, v in measured.items()]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "controls.csv", index=False)
    columns = ["task", "head", "drop", "low", "high", "attention", "prompts"]
    drops = {"0.1": 0.01, HEAD: 0.19, "2.0": 0.3}
    lines = [(t, h, d, d - 0.01, d + 0.01, 0.5, 120) for t in tasks for h, d in drops.items()]
    pd.DataFrame(lines, columns=columns).to_csv(folder.parents[1] / "tasks_by_heads.csv", index=False)
    columns = ["taxonomy", "label", "rows", "share", "mean", "low", "high", "of_total", "harmed"]
    effects = {"all": (1000, 1.0, -0.02), "previous": (600, 0.6, -0.015), "unknown": (400, 0.4, -0.05)}
    of_label = [(n, r, s, m, m - 0.01, m + 0.01, s, 0.1) for n, (r, s, m) in effects.items()]
    lines = [(taxonomy, *line) for taxonomy in ("post", "extended") for line in of_label]
    pd.DataFrame(lines, columns=columns).to_csv(folder / "real_text.csv", index=False)
    for name in ("controls", "real_text_post", "real_text_extended"):
        (folder / "figures" / f"{name}.svg").write_text(SVG.format(name), encoding="utf-8")


def provenance(settings):
    """The record of how the study was made."""
    return {
        "config": settings,
        "code": {"polyhead": "0.1.0", "commit": "abc"},
        "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
        "files": {"model/model.safetensors": {"sha256": "0123456789abcdef" * 4, "bytes": 12_300_000}},
        "model": {"n_layers": 4, "attn_only": True},
        "machine": {
            "system": "Linux",
            "python": "3.11.7",
            "processor": "CPU",
            "cores": 2,
            "memory_gib": 23.5,
        },
        "wall_seconds": {"rows": {"jobs": 2, "seconds": 61.2}, "classify": {"jobs": 1, "seconds": 3.4}},
    }


def built(folder, **changes):
    """Write a study and the folder that its report is rendered from; return that folder."""
    write_study(folder, **changes)
    build(folder)
    return folder / "build"


def build(folder):
    """Put the report's sources together for a study that is written."""
    shutil.rmtree(folder / "build", ignore_errors=True)
    assemble(folder, SOURCES, folder / "build", {"rulegraph.svg": folder / "rulegraph.svg"}, "a test")


def words_of(folder):
    """The whole document as text, before it is rendered."""
    return (folder / "index.qmd").read_text(encoding="utf-8")


def table_of(folder, name):
    """A table of the document, by its identifier, with cells not padded; nothing if it is not there."""
    before, found, _ = words_of(folder).partition(f"{{#tbl-{name}}}")
    return re.sub(" {2,}", " ", before.rpartition("::: {.scroll}")[2]) if found else ""


def section_of(folder, name):
    """The text below a heading, by its identifier, up to the next heading; nothing if it is not there."""
    return re.split(r"^#", words_of(folder).partition(f"{{#sec-{name}}}")[2], maxsplit=1, flags=re.M)[0]


def change_number(folder, key, **fields):
    """Change one number in numbers.json."""
    path = Path(folder) / "numbers.json"
    numbers = json.loads(path.read_text(encoding="utf-8"))
    numbers[key] |= fields
    write_json(path, numbers)
