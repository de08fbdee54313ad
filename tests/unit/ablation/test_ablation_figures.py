"""Figures of section 2: what must be readable in them is in them, as text."""

import io
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from saved_figure import texts_of
from toy_templates import file_of, fill_toy

from polyhead.ablation.figures import (
    controls_figure,
    drop_in_short,
    positions_figure,
    real_text_figure,
    task_svg,
    tasks_by_heads_figure,
)
from polyhead.prompts.template_listing import listing
from polyhead.style import ROLES, style

SVG = "{http://www.w3.org/2000/svg}"


def positions(count, methods=("bos",)):
    role = ["attended"] + [""] * (count - 2) + ["destination"]
    line = {"task": "toy", "position": range(1, count + 1), "token_label": [f"·t{i}" for i in range(count)]}
    values = {"mean_probability": 0.5, "drop": 0.1, "drop_low": 0.05, "drop_high": 0.15, "role": role}
    return pd.concat([pd.DataFrame(line | values | {"method": method}) for method in methods])


@pytest.mark.parametrize("count", [3, 24, 200])
def test_every_token_is_named_and_none_overlaps(count, tmp_path):
    with style():
        figure = positions_figure(positions(count, ["bos", "zero"]))
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.axes[0].get_xticklabels()]
        names = texts_of(figure, tmp_path / "figure.svg")
    assert set(names) >= {f"·t{i}" for i in range(count)} | {"destination", "no attention"}
    middles = [(box.x0 + box.x1) / 2 for box in boxes]
    if count <= 60:
        assert np.diff(middles).min() >= max(box.width for box in boxes) * 0.8


@pytest.mark.parametrize(
    ("elsewhere", "words"),
    [
        ([2.5, 0.3], "costs the answer 1.5 pp; at most 2.5 pp elsewhere"),
        ([2.5, -2.4], "costs the answer 1.5 pp; at most 2.5 pp elsewhere"),
        ([2.5, -3.7], "costs the answer 1.5 pp; at most 2.5 pp elsewhere, where it gains up to 3.7"),
        ([-0.01, -3.7], "costs the answer 1.5 pp; nothing elsewhere, where it gains up to 3.7"),
        ([0.01, -0.02], "costs the answer 1.5 pp; nothing elsewhere"),
    ],
)
def test_the_title_calls_a_gain_no_cost(elsewhere, words):
    line = positions(3).assign(drop=[*elsewhere, 1.5], drop_low=1.0, drop_high=2.0)
    assert drop_in_short(line) == f"Ablating the destination {words}"


def test_the_task_in_colours(tmp_path, words):
    task = fill_toy(tmp_path, words)
    root = ElementTree.fromstring(task_svg(task, words.labels))
    fills = {}
    for group in root.iter(f"{SVG}g"):
        fills.setdefault(group.find(f"{SVG}rect").get("fill"), []).append(group.find(f"{SVG}text").text)
    assert fills[ROLES["destination"]][0] == "⏎[·×3]"
    assert fills[ROLES["attended"]][0] == "·if"
    assert fills[ROLES["answer"]][0] == "·else"
    assert "answer" in "".join(fills[ROLES["answer"]][1:])


def test_effects_of_labels(tmp_path):
    labels = ["all", "unknown", "previous", "previous+induction", "inactive"]
    table = pd.DataFrame({"taxonomy": "post", "label": labels, "rows": [100, 50, 40, 5, 31]}).assign(
        share=0.2, mean=-0.1, low=-0.2, high=0.05, of_total=0.2, harmed=0.1
    )
    with style():
        names = texts_of(real_text_figure(table, "post"), tmp_path / "figure.svg")
    assert {"all rows", "unknown", "previous", "inactive"} <= set(names)
    assert "previous+induction" not in names, "five rows are left to the table"


@pytest.fixture
def all_heads():
    heads = [(layer, head) for layer in range(3) for head in range(4)]
    lines = [
        {"task": task, "head": f"{layer}.{head}", "drop": 0.1 * layer}
        for task in ("first_task", "second_task")
        for layer, head in heads
    ]
    table = pd.DataFrame(lines)
    return table.assign(low=table["drop"] - 0.01, high=table["drop"] + 0.01, attention=0.2, prompts=9)


def test_heads_and_controls(tmp_path, all_heads):
    keys = [("attention", "mean"), ("behaviour", "mean"), ("behaviour", "share"), ("edge", "drop")]
    controls = pd.DataFrame(
        [(task, *key, 0.3, 0.2, 0.4) for task in ("first_task", "second_task") for key in keys],
        columns=["task", "control", "quantity", "value", "low", "high"],
    )
    with style():
        names = texts_of(controls_figure(controls, all_heads, "2.1"), tmp_path / "controls.svg")
        assert {"first task", "second task", "2.0", "2.1", "2.3", "2.1, edge alone"} <= set(names)
        assert "1.1" not in names
        names = texts_of(tasks_by_heads_figure(all_heads, ["2.1"]), tmp_path / "heads.svg")
    assert names.count("20") >= 8
    assert {"first task", "second task", "layer", "head"} <= set(names)


def test_a_listing_names_what_is_wrong(tmp_path, words):
    def listed(file, tasks):
        console = Console(file=io.StringIO(), soft_wrap=True)
        listing(file, words, 64, tasks, 0, console)
        return console.file.getvalue()

    good = listed(file_of(tmp_path), ["toy"])
    assert "a task of this study" in good
    assert "·if│" in good
    assert "4 prompts of 9 tokens" in good
    assert "'greenish' is not one token here" in listed(file_of(tmp_path, words=["greenish"]), [])
