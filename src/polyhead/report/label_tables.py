"""Tables of labels: what their rows write and are worth, and which edges they hold."""

from __future__ import annotations

from polyhead.ablation.label_costs import AT_BOS, EACH, LENGTHS, METHODS
from polyhead.attention.edge_classes import CLASSES
from polyhead.attention.label_edges import LEAST_AWAKE
from polyhead.model.vocabulary import ALL
from polyhead.report.edge_tables import row_name
from polyhead.report.markdown import table
from polyhead.report.numbers import Numbers, cells, format_value

LONGEST_LIST = 15


def resting_table(numbers: Numbers, head: str) -> str:
    """What the head writes in rows of each label, and what three ablations of the whole row cost there."""
    rows = []
    for label in numbers.values("label", head=head, table="resting"):
        found = numbers.by("quantity", head=head, table="resting", label=label)
        name = {ALL: "all rows", AT_BOS: "at BOS"}.get(label, f"*{label}*")
        rows.append([name, *cells(found, (*LENGTHS, *METHODS))])
    header = ["label", "norm", "distance", "cost by mean", "by BOS", "by nothing"]
    caption = (
        "What the head writes, by label of the row: its norm and its distance from the mean output, as "
        "multiples of the mean output's norm; and what ablating the whole row costs the next token, by what "
        "takes its place. *at BOS*: what the head writes at BOS. Intervals in brackets, over documents."
    )
    return table(header, rows, "lrrrrr", caption, "tbl-resting")


def label_edges_table(numbers: Numbers, head: str, taxonomy: str) -> str:
    """The mass of each class of edges in the rows of each label."""
    about = {"head": head, "table": "label edges", "taxonomy": taxonomy}
    rows = [
        [f"*{label}*", *cells(numbers.by("edges", **about, label=label), CLASSES, "text")]
        for label in numbers.values("label", **about)[:LONGEST_LIST]
    ]
    caption = "Mean attention on each class of edges, by label of the row."
    return table(["label", *CLASSES], rows, "l" + "r" * len(CLASSES), caption, "tbl-label-edges")


def without_rest_table(numbers: Numbers, head: str, taxonomy: str) -> str:
    """What unknown rows are called when rest is taken out."""
    shares = numbers.find(head=head, table="without rest", taxonomy=taxonomy)[:LONGEST_LIST]
    rows = [[f"*{n.about['label']}*", n.text] for n in shares]
    caption = (
        "Labels of *unknown* rows when the attention on BOS and EOS is taken out and the rest scaled up. A "
        f"row with less than {format_value(LEAST_AWAKE, 'percent')} of its attention elsewhere is left alone."
    )
    return table(["label", "share of unknown rows"], rows, "lr", caption, "tbl-without-rest")


def unknown_edges_table(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Mass and cost of each class of edges in unknown rows."""
    rows = []
    for edges in EACH:
        about = {"head": head, "table": "unknown edges", "taxonomy": taxonomy, "edges": edges}
        rows.append([row_name(edges), *cells(numbers.by("quantity", **about), ("mass", "cost"))])
    caption = (
        "Attention on each class of edges in *unknown* rows, and what cutting it costs the next token with "
        "the head's mean output in its place; intervals in brackets, over documents."
    )
    return table(["edges", "attention", "cost"], rows, "lrr", caption, "tbl-unknown-edges")
