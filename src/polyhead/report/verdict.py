"""What the report concludes: sentences that follow from the verdict, for every outcome.

Each says what was found, in which rows, at which cost; and, as plainly, what was not. The words
*polysemantic*, *depends* and *shows* are chosen by a rule that a test feeds with all outcomes.
"""

from __future__ import annotations

from itertools import count

from polyhead.ablation.verdict import BOUNDS
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS, FIRST
from polyhead.model.head import Head
from polyhead.model.vocabulary import ALL
from polyhead.report import rivals
from polyhead.report.markdown import listing
from polyhead.report.numbers import NBSP, Number, Numbers
from polyhead.report.sentences import FILLS, MEAN_OUTPUT

HARDLY = 0.0005
"""A smaller share of the rows would print as nothing."""
LEFT_OUT = f"before token {FIRST} (BOS is token zero), where nearly all is *previous*, are left out"
"""Which rows no share by class of edges counts, after the word for them."""
LOOKS = {
    "previous": "looks back",
    "induction": "looks up what followed an earlier copy of a token",
    "duplicate": "looks up earlier copies of a token",
    "indent": "compares indentations",
}
MEANING = {
    "previous": "to one of the {window} tokens before",
    "induction": "to what followed an earlier copy of the same token",
    "duplicate": "to an earlier copy of the same token",
    "indent": "from one line's indentation to another's",
}
NEAR = 0.5
"""A behaviour that is refused for its share alone is a near miss from this part of the least share on."""
OTHER = "other"
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
MOST_NAMED = 8
"""So many heads are named where heads are counted."""


def verdict_of(numbers: Numbers, head: str) -> Number | None:
    """Return the head's share of resting rows, whose detail is its verdict; `None` where none was made."""
    return numbers.first(table="verdict", of=head, quantity="rest")


def title(numbers: Numbers, head: str) -> str:
    """Say in a title what was found; where there is no verdict, what was asked."""
    rest = verdict_of(numbers, head)
    if rest is None:
        return f"What attention head {head} attends to"
    if rivals.lost(numbers, head):
        return rivals.title(numbers, head)
    doing = [LOOKS[name] for name in rest.detail["behaviours"].split("+") if name]
    doing += ["rests"] if rest.detail["with_rest"] == "True" else []
    match rest.detail["verdict"]:
        case "polysemantic" | "one behaviour":
            return f"Attention head {head} {listing(doing)}"
        case "none":
            return f"Attention head {head} does none of the four things it was tested for"
    return f"Does attention head {head} do more than one thing? This text cannot decide it"


def verdict_sentences(numbers: Numbers, head: str) -> str:
    """Say what the head does, by the definition of the report, and what that is worth."""
    rest = verdict_of(numbers, head)
    if rest is None:
        return "What the head's attention is worth was not measured in this study: it describes, no more."
    sentences = [*_does(numbers, head, rest.detail), _judged(head, rest.detail)]
    if rest.detail["with_rest"] == "True":
        sentences.append(
            f"In {rest.text} of these positions it rests: at least half of its attention is on BOS or EOS."
        )
    return " ".join([*sentences, _explained(numbers, head, rest.detail)]).strip()


def _subject(head: str) -> str:
    """Name a head with its place in words, both counted from the first."""
    place = Head.parse(head)
    return f"Head {head} ({_ordinal(place.layer)} layer, {_ordinal(place.number)} head)"


def _ordinal(index: int) -> str:
    return ORDINALS[index] if index < len(ORDINALS) else f"{index + 1}th"


def _does(numbers: Numbers, head: str, detail: dict[str, str]) -> list[str]:
    """Say of every behaviour that the head does where, and what comes of cutting its edges there."""
    done = [name for name in detail["behaviours"].split("+") if name]
    return [
        _first(numbers, head, name) if name == done[0] else _further(numbers, head, name) for name in done
    ]


def _first(numbers: Numbers, head: str, name: str) -> str:
    return (
        f"{_subject(head)} {LOOKS[name]} (*{name}*): in {_profile(numbers, head, name, 'share')} of the "
        f"positions from token {FIRST} on, at least half of its attention goes {_where(numbers, name)}. "
        f"Without that, with {FILLS[MEAN_OUTPUT]} instead, the log probability of the right next token falls "
        f"there by {_profile(numbers, head, name, 'cost').full} on average."
    )


def _further(numbers: Numbers, head: str, name: str) -> str:
    return (
        f"It also {LOOKS[name]} (*{name}*), with at least half of its attention in "
        f"{_profile(numbers, head, name, 'share')} of these positions; without that, the log probability "
        f"falls by {_profile(numbers, head, name, 'cost').full}."
    )


def _where(numbers: Numbers, name: str) -> str:
    window = numbers.first(part="config", quantity="previous_window")
    return MEANING[name].format(window=window or "few")


def _judged(head: str, detail: dict[str, str]) -> str:
    done, open_ = _named(detail["behaviours"]), _named(detail["undecided"])
    tested = "of the four behaviours that it was tested for"
    match detail["verdict"]:
        case "polysemantic":
            count_ = rivals.COUNTED[len(done)]
            return f"That is {count_} {tested}: by the bounds of this report it is *polysemantic*."
        case "one behaviour":
            return f"{tested.capitalize()} it does this one alone: it is not polysemantic."
        case "none":
            return f"{_subject(head)} does none {tested}: it is not polysemantic."
    which = "it" if done else _subject(head).replace("H", "h", 1)
    return (
        f"Whether {which} is polysemantic cannot be decided on this text: whether it does {listing(open_)} "
        "stays open."
    )


def _named(joined: str) -> list[str]:
    return [f"*{name}*" for name in joined.split("+") if name]


def _profile(numbers: Numbers, head: str, edges: str, quantity: str) -> Number:
    return numbers.find(table="edge profile", of=head, edges=edges, quantity=quantity)[0]


def _explained(numbers: Numbers, head: str, detail: dict[str, str]) -> str:
    share = numbers.first(table="verdict", of=head, quantity="explained")
    if share is None:
        return ""
    edges = listing([*_named(detail["behaviours"]), "rest (BOS, EOS)"])
    whole = "what ablating the head's whole rows changes"
    if detail["mostly_unexplained"] == "True":
        lead = f"Most of {whole} is something else: the edges of {edges} explain {share.full}"
    else:
        lead = f"The edges of {edges} explain {share.full} of {whole}"
    return f"{lead}{_explained_alone(numbers, head, detail)}.{_without_a_name(numbers, head)}"


def _explained_alone(numbers: Numbers, head: str, detail: dict[str, str]) -> str:
    """Say how much the behaviour that explains most does alone, where there are several."""
    behaviours = detail["behaviours"].split("+")
    alone = {name: kept for name in behaviours if (kept := _measured(numbers, head, name, ALL, "kept"))}
    if len(behaviours) < 2 or not alone:
        return ""
    most = max(alone, key=lambda name: alone[name].value)
    return f", *{most}* with rest alone {alone[most]}"


def _without_a_name(numbers: Numbers, head: str) -> str:
    """Say how much edges without a name explain, and on how many of the rows they dominate."""
    share, kept = (_measured(numbers, head, OTHER, *which) for which in ((OTHER, "share"), (ALL, "kept")))
    if share is None or kept is None:
        return ""
    return (
        f" Edges that have no name here (*{OTHER}*), which hold at least half of the attention at {share} "
        f"of the positions, explain {kept} with rest (@tbl-edges)."
    )


def _measured(numbers: Numbers, head: str, edges: str, rows: str, quantity: str) -> Number | None:
    return numbers.first(
        head=head, table="edge costs", edges=edges, rows=rows, method="mean", quantity=quantity
    )


def what_it_does_not_do(numbers: Numbers, head: str) -> str:
    """Say of each behaviour that the head does not do how that is known."""
    rest = verdict_of(numbers, head)
    if rest is None:
        return ""
    done = rest.detail["behaviours"].split("+") + rest.detail["undecided"].split("+")
    left = [name for name in CLASS_BEHAVIOURS if name not in done]
    rare = [name for name in left if _profile(numbers, head, name, "share").value < HARDLY]
    parts = [_not_done(numbers, head, name) for name in left if name not in rare]
    if rare:
        verb = "dominates" if len(rare) == 1 else "dominate"
        parts.append(f"{' or '.join(f'*{name}*' for name in rare)}, which hardly ever {verb} a row")
    return f"It does not do {'; nor '.join(parts)}." if parts else ""


def _not_done(numbers: Numbers, head: str, name: str) -> str:
    known = numbers.by("quantity", table="edge profile", of=head, edges=name)
    share, cost = known["share"], known.get("cost")
    if NEAR * BOUNDS.share <= share.value < BOUNDS.share:
        return _near_miss(name, share, cost)
    if cost is None or share.value < BOUNDS.share:
        return f"*{name}*, which dominates only {share.text} of its rows"
    return f"*{name}*, whose edges cost {cost.full} on the {share} of its rows that they dominate"


def _near_miss(name: str, share: Number, cost: Number | None) -> str:
    """Say by how little the rows are too few, with as many digits as tell the share from the least one."""
    digits = next(d for d in count(1) if f"{share.value:.{d}%}" != f"{BOUNDS.share:.{d}%}")
    has, least = (f"{value:.{digits}%}".replace("%", f"{NBSP}%") for value in (share.value, BOUNDS.share))
    there = f"; cutting its edges costs {cost.full} there" if cost else ""
    return f"*{name}*, a near miss: it dominates {has} of its rows, where {least} are asked for{there}"


def heads_counted(numbers: Numbers) -> str:
    """Say how many heads of the model have which verdict, and how far that depends on intervals and bounds.

    What is said of all heads at once goes by intervals that hold for all of them together.
    """
    counts = numbers.by("verdict", table="verdicts", bounds="joint")
    if not counts:
        return ""
    total = next(iter(counts.values())).n
    words = {
        "polysemantic": ("{} is polysemantic", "{} are polysemantic"),
        "one behaviour": ("{} does one behaviour", "{} do one behaviour"),
        "none": ("{} does none", "{} do none"),
        "undecided": ("{} is undecided", "{} are undecided"),
    }
    forms = {name: forms[counts[name].value != 1] for name, forms in words.items() if name in counts}
    parts = [form.format(counts[name].text) + _named_heads(counts[name]) for name, form in forms.items()]
    return (
        f"Of the model's {total} heads, by intervals that hold for all heads and behaviours together, "
        f"{listing(parts)}. {_other_bounds(numbers)}"
    )


def _named_heads(number: Number) -> str:
    """Return which heads are polysemantic, in brackets, if they are few."""
    heads = number.detail.get("heads", "").split()
    if number.about["verdict"] != "polysemantic" or len(heads) > MOST_NAMED:
        return ""
    return f" ({listing(heads)})"


def _other_bounds(numbers: Numbers) -> str:
    words = {
        "set": "by each head's own interval",
        "halved": "by these with all bounds halved",
        "doubled": "with all bounds doubled",
    }
    found = numbers.by("bounds", table="verdicts", verdict="polysemantic")
    parts = [f"{found.get(name, 'none')} {by}" for name, by in words.items()]
    return f"Polysemantic are {listing(parts)}."


def by_other_bounds(numbers: Numbers, head: str) -> str:
    """Say how the verdict on one head comes out by other bounds and intervals."""
    words = {
        "halved": "with all bounds halved",
        "doubled": "with all bounds doubled",
        "joint": "by intervals that hold for all heads and behaviours together",
    }
    named = {"none": "a head that does none", "one behaviour": "a head of one behaviour"}
    found = [
        f"{named.get(number.about['verdict'], number.about['verdict'])} {words[number.about['bounds']]}"
        for number in numbers.find(table="verdicts")
        if number.about["bounds"] in words and head in number.detail.get("heads", "").split()
    ]
    return f"Head {head} itself is {listing(found)}." if found else ""


def how_chosen(numbers: Numbers, head: str, trained_on: bool = False) -> str:
    """Say how the head came to be studied, and where it ranks on the text that heads are chosen on.

    `trained_on`: whether the model is known to have seen that text in its training.
    """
    rank = numbers.first(table="selection", of=head, quantity="rank")
    if rank is None:
        return "The head was named in the config; no other was considered."
    documents = numbers.find(table="selection", quantity="documents")[0].text
    seen = ", but on which the model was trained" if trained_on else ""
    on = f"on {documents} documents that this report does not use otherwise{seen}"
    if rank.detail["chosen_by"] != "hand":
        return f"The head was chosen by rule: of all {rank.n} heads it ranks first, {on}."
    if rank.value == 1:
        return f"The head was named in the config; of all {rank.n} heads it also ranks first, {on}."
    between = " Of the heads in layers that are neither the lowest nor the last it is the first."
    return (
        f"The head was named in the config; of all {rank.n} heads it is number {rank.text} by the rule for "
        f"choosing one, {on}. First is head {rank.detail['head']} ({rank.detail['verdict']})."
        f"{between if rank.detail.get('first_between') == head else ''}"
    )
