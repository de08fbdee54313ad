"""Figures of edges: what must be readable is there as text, even where little is drawn."""

import numpy as np
import pandas as pd
import pytest
from saved_figure import texts_of

from polyhead.edges.classes import CLASS_BEHAVIOURS, CLASSES
from polyhead.edges.figures import edges_figure, heads_figure
from polyhead.edges.verdict import verdict_table
from polyhead.style import save_svg, style

DONE = {"share": 0.3, "cost": 0.2, "cost_low": 0.1, "cost_high": 0.3, "does": "yes"}
NOT = {"share": 0.002, **dict.fromkeys(("cost", "cost_low", "cost_high"), np.nan), "does": "no"}


def lines_of(heads):
    """Lines of `edges.csv`: each head does the behaviours given."""
    return pd.DataFrame(
        {"head": head, "edges": name, "uniform": 0.1, **(DONE if name in done else NOT)}
        for head, done in heads.items()
        for name in ("all", *CLASSES)
    )


def verdicts_of(edges):
    return verdict_table(edges, pd.DataFrame({"explained": []}, index=pd.Index([], dtype=str)))


def test_every_head_has_its_verdict_beside_it(tmp_path):
    edges = lines_of({"0.0": (), "0.1": ("previous",), "1.0": ("previous", "line_start")})
    with style():
        found = texts_of(heads_figure(edges, verdicts_of(edges), ["1.0"]), tmp_path / "a.svg")
    assert {"0.0", "none", "one behaviour (previous)", "polysemantic (previous, line start)"} < set(found)
    assert {"sink", *(name.replace("_", " ") for name in CLASS_BEHAVIOURS)} < set(found)


def test_the_heads_of_a_large_model_are_maps_of_layers_and_heads(tmp_path):
    heads = {f"{layer}.{number}": () for layer in range(10) for number in range(9)}
    heads |= {"9.8": ("previous",), "9.7": ("previous", "induction")}
    edges = lines_of(heads)
    with style():
        figure = heads_figure(edges, verdicts_of(edges), ["9.6"])
        found = texts_of(figure, tmp_path / "a.svg")
    assert {"previous", "verdict", "layer", "heads 0 to 8 from left to right in each map"} <= set(found)
    assert "Of 90 heads: 88 none" in " ".join(found)
    dots, squares = (each.get_offsets() for each in figure.axes[0].collections)
    assert {(round(x), y) for x, y in dots} == {(11 + 8, 9), (11 + 7, 9), (33 + 7, 9)}, "others are too rare"
    assert len(squares) == 90


@pytest.mark.parametrize("cost", [0.03, np.nan])
def test_every_class_has_its_share_and_leads_to_the_explorer(tmp_path, cost):
    edges = lines_of({"1.0": ("previous", "induction")})
    edges.loc[edges["edges"] == "all", "cost"] = cost
    edges.loc[edges["edges"] == "other", ["share", "cost"]] = 0.0, cost
    with style():
        figure = edges_figure(edges, verdicts_of(edges).iloc[0], "explorer.html#head=1.0&class=")
        found = texts_of(figure, tmp_path / "a.svg")
    worth = "" if np.isnan(cost) else "; its whole row is worth 0.030 nats"
    assert f"Head 1.0: polysemantic (previous, induction){worth}" in " ".join(found)
    assert {"previous (30\u202f%)", "line start (0.2\u202f%)", "if attention were uniform"} <= set(found)
    assert (
        sum(text.partition(" (")[0] in (*CLASSES, "line start", "none") for text in found) == len(CLASSES) + 1
    )
    links = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "class=previous" in links
    assert "class=other" not in links
    assert "class=none" not in links


def test_heads_without_a_cost_or_a_row_that_counts_are_drawn(tmp_path):
    edges = lines_of({"1.0": ()})
    with style():
        assert "none" in texts_of(heads_figure(edges, verdicts_of(edges), []), tmp_path / "a.svg")
        none = edges.assign(share=np.nan, uniform=0.0)
        save_svg(edges_figure(none, verdicts_of(edges).iloc[0]), tmp_path / "b.svg")
