"""Sentences of the report whose wording depends on the results.

Every function takes numbers and returns markdown. Values choose the wording; digits are the texts of the
numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

from polyhead.model.head import Head
from polyhead.model.vocabulary import ALL
from polyhead.report.markdown import code, escape, listing
from polyhead.report.numbers import ALIKE, Number, Numbers, flipped, format_value, ranking

SMALL_DIFFERENCE = 0.05
NEGLIGIBLE_DROP = 0.05
SMALLEST_GAIN = 0.0005
"""A smaller gain of probability is printed as nothing."""
DECIDED = 0.9
MAJORITY = 0.5
MEAN_OUTPUT = "mean output"
FILLS = {
    "bos": "BOS",
    "zero": "no attention",
    "mean": "the prompts' mean row",
    "resample": "another text's row",
    MEAN_OUTPUT: "the head's mean output",
}
"""What takes the place of attention that an ablation takes away, in words; by method of ablation."""
PROBABILITY = "the answer's probability"
OTHER = "other"
TOO_FEW = "The rows are too few, or from too few documents, to say how common a label is."


def emphasised(number: Number) -> str:
    """Return a share with its behaviour: *previous* (41.3 %)."""
    return f"*{number.about['label']}* ({number.text})"


def most_common(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say which behaviour is the most common over all rows, and which follow."""
    first, *rest = ranking(numbers, head, taxonomy)
    if first.low is None:
        return TOO_FEW
    follow = f", followed by {listing([emphasised(n) for n in rest[:3]])}" if rest else ""
    if first.about["label"] == "unknown":
        lead = "Most rows fit" if first.value > MAJORITY else "The largest group of rows fits"
        return f"{lead} no label: {emphasised(first)}{follow}."
    name = first.about["label"]
    sentence = f"Across all rows, *{name}* is the most common behaviour ({first.inside}){follow}."
    if rest and overlap(first, rest[0]):
        sentence += " The first two are too close to each other for their order to be certain."
    return sentence


def by_the_labels(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say which label is the most common, and by which rule: another one than the shares by class go by."""
    said, threshold = most_common(numbers, head, taxonomy), numbers.first(part="config", quantity="threshold")
    if said == TOO_FEW or threshold is None:
        return said
    rule = "the post's" if taxonomy == "post" else "another"
    stricter = " stricter" if threshold.value > MAJORITY else ""
    above = ", not half of it as above" if numbers.find(table="verdict", of=head) else ""
    needs = f"a label needs {format_value(threshold.value, 'percent')} of a row's attention"
    return f"By {rule}{stricter} rule, {needs}{above}: {said[0].lower()}{said[1:]}"


def overlap(one: Number, other: Number) -> bool:
    """Say whether two numbers' intervals meet; without intervals, whether the numbers are equal."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return one.value == other.value
    return one.low <= other.high and other.low <= one.high


def unclassified(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say how much stays unknown."""
    about = {"table": "distribution", "taxonomy": taxonomy, "token": ALL, "label": "unknown"}
    share = numbers.first(head=head, **about)
    if share is None:
        return "Every row is classified: none is *unknown*."
    if share.low is None:
        return ""
    if share.value >= 0.25:
        how = "A large part of the rows"
    elif share.value >= 0.05:
        how = "Part of the rows"
    else:
        how = "Only a small part of the rows"
    return (
        f"{how} is *unknown* ({share.inside}): there may well be consistent behaviours among them that the "
        "definitions do not cover."
    )


def packages_reading(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say what the intervals are when packages are drawn instead of documents; nothing where none are known.

    Of the most common label, and of what cutting the edges of the head's most frequent behaviour costs.
    """
    pairs = []
    for share in ranking(numbers, head, taxonomy)[:1]:
        about = share.about | {"table": "distribution by package"}
        pairs += [(f"the share of *{n.about['label']}*", n, share) for n in numbers.find(**about)]
    by_package = numbers.find(table="edge profile", of=head, quantity="cost by package")
    for cost in sorted(by_package, key=lambda n: -(n.n or 0))[:1]:
        own = numbers.find(**cost.about | {"quantity": "cost"})[0]
        pairs.append((f"the cost of cutting *{cost.about['edges']}* edges", cost, own))
    if not pairs:
        return ""
    parts = [f"{what}, {own.text}, is {n.interval} instead of {own.interval}" for what, n, own in pairs]
    return (
        "Documents of the same package may be alike, too. With packages drawn instead of documents, the "
        f"interval of {listing(parts)}."
    )


def tokens_decide(numbers: Numbers, head: str) -> str:
    """Say whether the destination token determines the behaviour."""
    extremes = {n.about["quantity"]: n for n in numbers.find(head=head, table="tokens") if n.detail}
    if not extremes:
        return "No destination token is looked at on its own."
    least, most = extremes["least"], extremes["most"]
    lead = (
        "The destination token does not determine the behaviour"
        if least.value < DECIDED
        else "The destination token all but determines the behaviour"
    )
    if least.detail == most.detail:
        return f"{lead}: the most frequent label of {_most(least)}."
    return f"{lead}: the most frequent label of {_most(least)}, that of {_most(most)}."


def _most(number: Number) -> str:
    token, behaviour = number.detail["token"], number.detail["label"]
    return f"{code(token)}, *{behaviour}*, covers {number.text} of its rows"


def alike_tokens(numbers: Numbers, head: str) -> str:
    """Say whether ⏎[·×3] and ⏎[·×7] have the same distribution; nothing where the study has not both."""
    found = numbers.find(head=head, table="tokens", quantity="difference")
    if not found:
        return ""
    one, other = (code(token) for token in ALIKE)
    if found[0].value < SMALL_DIFFERENCE:
        return (
            f"{one} and {other} have nearly the same distribution: no share differs by more than "
            f"{found[0].text} (percentage points)."
        )
    return f"{one} and {other} differ: by up to {found[0].text} (percentage points) in one behaviour's share."


def many_behaviours(numbers: Numbers, head: str) -> str:
    """Say how many behaviours of the extended taxonomy are common; nothing where it was not used."""
    found = numbers.find(head=head, table="tokens", quantity="common behaviours")
    if not found:
        return ""
    named = [n for n in ranking(numbers, head, "extended") if n.about["label"] != "unknown"]
    bound = numbers.find(head=head, table="tokens", quantity="common")[0].text
    if found[0].value == 0:
        return f"With the extended definitions no label covers as much as {bound} of the rows."
    cover = "label covers" if found[0].value == 1 else "labels cover"
    lead = f"With the extended definitions {found[0].text} {cover} at least {bound} of the rows each"
    return f"{lead}; the largest are {listing([emphasised(n) for n in named[:4]])}."


def runs(numbers: Numbers, head: str, task: str, method: str, quantity: str) -> tuple[Number, Number]:
    """Return a task's number in the clean and in the ablated run."""
    clean, ablated = (
        numbers.get(f"{head}/ablation/{task}/{method}/{run}/{quantity}") for run in ("clean", "ablated")
    )
    return clean, ablated


def measurable(numbers: Numbers, head: str, task: str, method: str) -> bool:
    """Say whether the mean drop at the destination, prompt by prompt, is surely not zero."""
    return certain(numbers.get(f"{head}/drop/{task}/{method}/destination"))


def certain(number: Number) -> bool:
    """Say whether a number has an interval, and zero is not in it."""
    return number.low is not None and number.high is not None and not number.low <= 0 <= number.high


def changes(number: Number, what: str = PROBABILITY, form: str = "brief") -> str:
    """Say what an ablation does to a share: takes so much of it, or adds so much to it."""
    return " ".join(change(number, what, form))


def change(number: Number, what: str, form: str = "brief") -> tuple[str, str]:
    """Return the verb for a drop, which may be below zero, and how much of what it is."""
    if number.value == 0 == number.low == number.high:
        return "takes", f"nothing of {what}"
    if number.value < 0:
        return "adds", f"{getattr(flipped(number), form)} to {what}"
    return "takes", f"{getattr(number, form)} of {what}"


def ablation_method(methods: list[str]) -> str:
    """Say what takes the place of the head's row, for each method of ablation that the study ran."""
    ways = {
        "bos": "by one that attends to BOS alone, as in the post, so that the head writes what it writes "
        "when it is inactive",
        "zero": "by nothing, so that the head writes nothing",
        "mean": "by the mean of all prompts' rows at that position, which keeps what the head does there in "
        "all prompts of the template and takes away only what differs between them",
        "resample": "by the head's row at the same position of another text, which keeps what it does at "
        "that position in any text",
    }
    return "; or ".join(ways[method] for method in methods)


def task_reading(numbers: Numbers, head: str, task: str, method: str) -> str:
    """Say what the ablation at the destination does to a task."""
    clean, ablated = runs(numbers, head, task, method, "top1")
    before, after = runs(numbers, head, task, method, "mean_probability")
    where = f"at the destination, with {FILLS[method]} in its row's place"
    if not measurable(numbers, head, task, method):
        return (
            f"Ablating the head {where}, makes no difference to the answer's mean probability that these "
            f"prompts show: it is {before.full} before and {after.full} after, and the answer "
            f"{_first_choice(clean, ablated)} of the prompts."
        )
    verb = "falls" if after.value < before.value else "rises"
    return (
        f"When the head is ablated {where}, the answer's mean probability {verb} from "
        f"{before.full} to {after.full}, and it {_first_choice(clean, ablated)} of the prompts."
    )


ORIGINS = {
    "post": "The template is a reconstruction from the post's text, which shows its own as a picture only.",
    "model": "The template was written after looking at what the reference model can do.",
    "user": "The template was written for this study.",
}


def origins(origin_of: Mapping[str, str]) -> str:
    """Say of all templates of a study where they are from; of those whose origin is not known, nothing."""
    says = {
        "post": "reconstructed from the post's text, which shows its own as pictures only",
        "model": "written after looking at what the reference model can do",
        "user": "written for this study",
    }
    parts = []
    for origin, words in says.items():
        names = [f"*{task_name(task)}*" for task, found in origin_of.items() if found == origin]
        if names:
            parts.append(f"{listing(names)} {'was' if len(names) == 1 else 'were'} {words}")
    return f"Of the templates, {'; '.join(parts)}." if parts else ""


def _first_choice(clean: Number, ablated: Number) -> str:
    if clean.text == ablated.text:
        return f"stays the first choice in {clean.text}"
    return f"is the first choice in {ablated.text} instead of {clean.text}"


def in_last_layer(numbers: Numbers, head: str) -> bool:
    """Say whether no layer reads what the head writes."""
    layers = numbers.find(part="model", quantity="n_layers")
    return bool(layers) and Head.parse(head).layer == layers[0].value - 1


def elsewhere_reading(numbers: Numbers, head: str, task: str, method: str) -> str:
    """Say whether ablations at other positions matter."""
    drops = numbers.by("quantity", head=head, table="drop", task=task, method=method)
    if "elsewhere" not in drops:
        return ""
    largest, here = drops["elsewhere"], drops["destination"]
    if in_last_layer(numbers, head):
        return (
            "At every other position the ablation cannot change the answer, by construction: the head is in "
            "the model's last layer, and no layer above it carries what it writes there to the last position."
        )
    costs = _costs_elsewhere(largest, here)
    gain = numbers.first(head=head, table="gain", task=task, method=method)
    if gain is None or gain.value <= max(largest.value, SMALLEST_GAIN):
        return costs
    return f"{costs} At {code(gain.detail['token'])} the probability rises instead, by {gain.text}."


def _costs_elsewhere(largest: Number, here: Number) -> str:
    where = code(largest.detail["token"])
    if here.value <= largest.value < NEGLIGIBLE_DROP:
        return (
            f"The ablation costs little at any position: {lost(here)} at the destination, and elsewhere at "
            f"most {lost(largest)}, at {where}."
        )
    if largest.value < NEGLIGIBLE_DROP:
        return (
            "At every other position the ablation costs little: the largest drop in probability is "
            f"{lost(largest)}, at {where}, against {lost(here)} at the destination."
        )
    if largest.value < here.value:
        return (
            f"The ablation costs most at the destination ({lost(here)}), but not there alone: at {where} it "
            f"costs {lost(largest)}."
        )
    return f"The largest drop is not at the destination ({lost(here)}) but at {where}: {lost(largest)}."


def lost(drop: Number) -> str:
    """Return a drop as text; what is below zero is gained."""
    return drop.text if drop.value >= 0 else f"{flipped(drop).text} gained"


def control_reading(numbers: Numbers, head: str, task: str) -> str:
    """Say of a task whether the head attends as expected, and whether this edge and this head matter."""
    known = {
        (n.about["control"], n.about["quantity"]): n
        for n in numbers.find(head=head, table="controls", task=task)
    }
    sentences = []
    if known:
        most = _how_often(known["attention", "share"].value)
        sentences.append(
            f"the expected token gets {known['attention', 'mean'].text} of the head's attention on average, "
            f"and the largest weight {most} ({known['attention', 'share'].text})"
        )
        sentences.append(
            f"cutting that one edge {changes(known['edge', 'drop'], form='text')}, ablating the whole row "
            f"{changes(known['head', 'drop'], form='text')}"
        )
    if rank := numbers.find(head=head, table="rank", among=task):
        sentences.append(_rank(rank[0], head))
    return f"*{task_name(task)}*: {'; '.join(sentences)}." if sentences else ""


def _how_often(share: float) -> str:
    if share == 0:
        return "in none of the prompts"
    return "in most of the prompts" if share > 0.5 else "in fewer than half of the prompts"


def _rank(rank: Number, head: str) -> str:
    if rank.value == 1:
        return f"of all {rank.n} heads, none costs more"
    best = f"ablating head {rank.detail['largest']} costs most ({rank.detail['value']})"
    return f"of all {rank.n} heads, {best}; head {head} is number {rank.text}"


def mixed(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say how mixed the head's rows are, compared with those of all heads of the model."""
    found = numbers.find(head=head, table="rank", among=f"atlas {taxonomy}")
    if not found:
        return ""
    rank, entropy = found[0], numbers.get(f"atlas/{taxonomy}/{head}/entropy").text
    if rank.value == 1:
        return f"Of the model's {rank.n} heads, its labels are the most evenly mixed (entropy {entropy})."
    return (
        f"By how evenly its labels are mixed it is number {rank.text} of the model's {rank.n} heads (entropy "
        f"{entropy}; the largest is {rank.detail['value']}, of head {rank.detail['largest']})."
    )


def unknown_reading(numbers: Numbers, head: str) -> str:
    """Say how much of what is unknown the extended definitions name, and what it is."""
    shares = numbers.by("label", head=head, table="unknown")
    named = [emphasised(number) for name, number in shares.items() if name != "unknown"]
    if not named:
        return "The extended definitions name none of these rows either."
    left = shares.get("unknown")
    rest = f" {left.text} of them stay *unknown*." if left else ""
    return f"The extended definitions name some of these rows: {listing(named[:4])}.{rest}"


def precision_reading(numbers: Numbers, head: str, dtype: str) -> str:
    """Say how many labels the precision of the model's arithmetic changes, and in which the study ran."""
    changed = numbers.find(head=head, table="precision")
    if not changed:
        return ""
    shares = [f"{n.text} of the rows by the *{n.about['taxonomy']}* definitions" for n in changed]
    lower, rows = changed[0].detail["dtype"], changed[0].n
    return (
        f"The model of this study ran in {dtype}. Run in {lower} and in float32 on the same prompts "
        f"({rows:,} rows), it gives another label to {listing(shares)}."
    )


def source_types_reading(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say whether the head does other things in one type of source than in another."""
    about = {"head": head, "table": "by source type"}
    types = [name for name in numbers.values("source_type", **about) if name != ALL][:2]
    if len(types) < 2:
        return ""
    one, other = types
    shares, others = (numbers.by("label", **about, taxonomy=taxonomy, source_type=each) for each in types)
    pairs = [(share, others[name]) for name, share in shares.items() if name in others]
    apart = [pair for pair in pairs if not overlap(*pair)]
    if not apart:
        return f"The shares in {one} and in {other} cannot be told apart."
    a, b = max(apart, key=lambda pair: abs(pair[0].value - pair[1].value))
    return (
        f"The shares in {one} and in {other} differ most for *{a.about['label']}*: {a.text} of the rows "
        f"in {one}, {b.text} in {other}."
    )


def real_text_reading(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say what the head is worth on real text, and in which of its behaviours it is worth most."""
    effects = numbers.find(head=head, table="real text", taxonomy=taxonomy, quantity="mean")
    whole = next(number for number in effects if number.about["label"] == ALL)
    if not certain(whole):
        lead = f"On average the ablation changes nothing that can be measured ({whole.inside})"
    else:
        verb = "lowers" if whole.value < 0 else "raises"
        lead = f"On average the ablation {verb} the next token's log probability ({whole.inside})"
    costly = [n for n in effects if n.about["label"] not in (ALL, OTHER) and certain(n) and n.value < 0]
    parts = sorted(costly, key=lambda number: number.value)
    if len(parts) < 2:
        return f"{lead}."
    most = parts[0]
    return f"{lead}. Per row it costs most where the head is *{most.about['label']}* ({most.text})."


def task_name(task: str) -> str:
    """Return a task's name as text."""
    return task.replace("_", " ")


SIZES = {
    "n_layers": "{} layers",
    "n_heads": "{} heads in each",
    "d_model": "{} dimensions",
    "d_head": "{} per head",
    "n_ctx": "a context of {} tokens",
    "d_vocab": "a vocabulary of {} tokens",
}


def shape(numbers: Numbers) -> str:
    """Return the sizes of the model."""
    known = numbers.by("quantity", part="model")
    return listing([words.format(known[name]) for name, words in SIZES.items() if name in known])


def source_types(numbers: Numbers) -> str:
    """Say which share of the prompts is of which type of source; nothing where that is not known."""
    shares = numbers.by("source_type", part="data", quantity="share")
    types = [f"{share} {escape(name)}" for name, share in shares.items()]
    return f"By prompts: {listing(types)}." if types else ""
