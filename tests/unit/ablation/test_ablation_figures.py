"""Figures of the tasks: what must be readable in them is in them, as text."""

import numpy as np
import pandas as pd
import pytest
from saved_figure import texts_of
from toy_templates import fill_toy

from polyhead.ablation.figures import place_tokens, task_figure, tasks_by_heads_figure
from polyhead.prompts.templates import Task
from polyhead.style import style


def long_task(count):
    tokens = np.arange(count + 1)[None]
    return Task("toy", "Toy", ["previous"], count, 1, [2], tokens, np.array([0]))


def positions(count, methods):
    places = range(1, count + 1)
    table = pd.DataFrame({"task": "toy", "position": places, "token_label": [f"·t{i}" for i in places]})
    table = table.assign(mean_probability=0.5, drop=0.1, drop_low=0.05, drop_high=0.15)
    table["role"] = ["source"] + [""] * (count - 2) + ["destination"]
    return pd.concat([table.assign(method=method) for method in methods])


@pytest.mark.parametrize("count", [3, 24, 200])
def test_every_token_is_named_and_none_overlaps(count, tmp_path):
    labels = [f"·t{i}" for i in range(count + 1)]
    with style():
        figure = task_figure(long_task(count), labels, positions(count, ["bos", "zero"]))
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.axes[1].get_xticklabels()]
        names = texts_of(figure, tmp_path / "figure.svg")
    assert set(names) >= {f"·t{i}" for i in range(count)} | {"destination", "expected source", "BOS", "zero"}
    middles = [(box.x0 + box.x1) / 2 for box in boxes]
    assert np.diff(middles).min() >= max(box.width for box in boxes) * 0.8


def test_a_prompt_is_laid_out_as_code(tmp_path, words):
    placed = [*place_tokens(fill_toy(tmp_path, words), words.labels, 60)]
    name = placed[1][0]
    assert placed[:2] == [("def", "", 0, 1), (name, "slot", 0, 4)]
    assert placed[3:5] == [("⏎···", "slot", 1, 0), ("·if", "source", 1, 4)]
    assert placed[7:9] == [("⏎···", "destination", 2, 0), ("·else", "answer", 2, 4)]
    legend = ["destination", "expected source", "answer", "random word"]
    assert [text.strip() for text, *_ in placed[9:]] == legend
    narrow = [*place_tokens(fill_toy(tmp_path, words), words.labels, 10)]
    assert max(column + len(text) for text, _, line, column in narrow if line < 4) <= 10


def by_heads(layers, drop=0.2):
    heads = [(f"{layer}.{head}", drop * (layer + 1) / layers) for layer in range(layers) for head in range(4)]
    tasks = [
        pd.DataFrame(heads, columns=["head", "drop"]).assign(task=f"{n}_task") for n in ("first", "second")
    ]
    table = pd.concat(tasks)
    return table.assign(drop_low=table["drop"] - 0.15, drop_high=table["drop"] + 0.15)


def test_heads_and_tasks(tmp_path):
    with style():
        names = texts_of(tasks_by_heads_figure(by_heads(3), ["2.1"]), tmp_path / "heads.svg")
    assert {"first task", "2.1", "0.0", "head"} <= set(names)
    assert names.count("20") == 8, "drops of 7 and 13 points have intervals that hold 0"
    assert "13" not in names


@pytest.mark.parametrize("tasks", [2, 20])
def test_many_heads_are_maps_of_layers_and_heads(tasks, tmp_path):
    table = by_heads(30, drop=0.4)
    more = [table.assign(task=table["task"] + f"_{copy}") for copy in range(tasks // 2)]
    with style():
        figure = tasks_by_heads_figure(pd.concat(more), ["0.2"])
        names = texts_of(figure, tmp_path / "heads.svg")
    axes = figure.axes[0]
    assert (len(axes.get_xticklabels()), axes.get_ylim()) == (tasks, (30, 0))
    assert names.count("40") == (8 if tasks == 2 else 0), "numbers where there is room"
    assert "13" not in names, "its interval holds 0"
