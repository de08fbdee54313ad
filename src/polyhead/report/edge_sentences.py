"""Sentences about labels and edges, chosen from the result: what resting is, what *unknown* holds."""

from __future__ import annotations

from polyhead.ablation.label_costs import AT_BOS
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS
from polyhead.attention.labels import UNKNOWN
from polyhead.model.vocabulary import ALL
from polyhead.report.markdown import listing
from polyhead.report.numbers import Number, Numbers
from polyhead.report.sentences import certain

LARGE = 0.25
"""From this share on, mass that is also a copy's is called a good part."""


def resting_reading(numbers: Numbers, head: str) -> str:
    """Say what an ablation by BOS measures: whether what the head writes there is near to its usual output.

    Near is no farther from the mean output than the head's rows are on average, and no farther than nothing,
    whose distance is one of that output's norms. Nothing is said about too few rows for an interval.
    """
    rows, bos_rows = (
        numbers.by("quantity", head=head, table="resting", label=which) for which in (ALL, AT_BOS)
    )
    usual, at_bos = rows.get("distance"), bos_rows.get("distance")
    if usual is None or at_bos is None or usual.low is None:
        return ""
    lead = (
        f"What the head writes at BOS is {at_bos.text} times as far from its mean output as nothing would "
        f"be; what it writes in a row is {usual.text} times as far on average. "
        f"{_neutral(at_bos.value, usual.value)}"
    )
    if not {"bos", "mean", "zero"} <= rows.keys():
        return lead
    return (
        f"{lead} Over all rows the ablation costs {rows['bos']} by BOS, {rows['mean']} by the mean output, "
        f"{rows['zero']} by nothing."
    )


def _neutral(at_bos: float, usual: float) -> str:
    """Say by distances from the mean output whether resting is neutral."""
    if at_bos <= min(usual, 1):
        return "Resting is close to neutral, so that an ablation by BOS measures what is taken out."
    but = "no farther than a usual row, but farther than nothing" if at_bos <= usual else ""
    but = but or ("farther than a usual row, if not than nothing" if at_bos <= 1 else "farther than either")
    return f"Resting, {but}, is not neutral: an ablation by BOS also measures what is put in."


def near_copies_reading(numbers: Numbers, head: str) -> str:
    """Say how much of what is called *previous* is on sources that content may explain as well."""
    masses = numbers.by("edges", head=head, table="label edges", taxonomy="post", label="previous")
    if "open" not in masses:
        return ""
    near = masses["open"]
    how = "A good part" if near.value >= LARGE else "Only a small part"
    return (
        f"{how} of the attention in rows labelled *previous* ({near.text}) goes to sources that are also "
        f"induction targets, copies or other indents; {masses['previous'].text} goes to sources that are "
        "previous and nothing else."
    )


def without_rest_reading(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say how many unknown rows get a name when the mass on BOS and EOS is taken out."""
    shares = numbers.by("label", head=head, table="without rest", taxonomy=taxonomy)
    if not shares:
        return ""
    named = [f"*{name}* ({n.text})" for name, n in shares.items() if name != UNKNOWN and n.value > 0]
    if not named:
        return "With the attention on BOS and EOS taken out, none of the *unknown* rows gets a name."
    left = f"; {shares[UNKNOWN].text} stay *unknown*" if UNKNOWN in shares else "; none stays *unknown*"
    return (
        "With the attention on BOS and EOS taken out and the rest scaled up, of the *unknown* rows "
        f"{listing(named[:4])} get a name{left}."
    )


def unknown_edges_reading(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say which behaviours' edges matter in unknown rows, if any."""
    costs = [
        n
        for n in numbers.find(head=head, table="unknown edges", taxonomy=taxonomy, quantity="cost")
        if n.about["edges"] in CLASS_BEHAVIOURS and n.low is not None
    ]
    if not costs:
        return ""
    dear = sorted((n for n in costs if certain(n) and n.value > 0), key=lambda n: -n.value)
    if not dear:
        return "In *unknown* rows, cutting no behaviour's edges has a cost that is surely above zero."
    return (
        f"In *unknown* rows, cutting the edges of {listing([_cost(n) for n in dear])} surely costs something."
    )


def _cost(number: Number) -> str:
    return f"*{number.about['edges']}* ({number.text})"
