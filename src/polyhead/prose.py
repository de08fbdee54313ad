"""Sentences whose truth depends on a result, chosen from the result.

Every function reads numbers and returns markdown; the wording follows the values, the digits are the numbers'
own texts.
"""

from __future__ import annotations

from polyhead.markdown import code, listing
from polyhead.numbers import ALIKE, Number, Numbers, ranking
from polyhead.tokens import ALL

SMALL_DIFFERENCE = 0.05
NEGLIGIBLE_DROP = 0.05
DECIDED = 0.9
LEARNED, HOPELESS = 0.5, 0.1
OTHER = "other"


def emphasised(number: Number) -> str:
    """Return a share with its behaviour: *previous* (41.3 %)."""
    return f"*{number.about['behaviour']}* ({number.text})"


def most_common(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say which behaviour is the most common over all rows, and which follow."""
    first, *rest = ranking(numbers, head, taxonomy)
    follow = f", followed by {listing([emphasised(n) for n in rest[:3]])}" if rest else ""
    if first.about["behaviour"] == "unknown":
        return f"Across all rows, most common is that no behaviour fits: {emphasised(first)}{follow}."
    name = first.about["behaviour"]
    sentence = f"Across all rows, *{name}* is the most common behaviour ({first.inside}){follow}."
    if rest and overlap(first, rest[0]):
        sentence += " The first two are too close to each other for their order to be certain."
    return sentence


def overlap(one: Number, other: Number) -> bool:
    """Say whether two numbers' intervals meet; without intervals, whether the numbers are equal."""
    if None in (one.low, one.high, other.low, other.high):
        return one.value == other.value
    return one.low <= other.high and other.low <= one.high


def unclassified(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say how much stays unknown."""
    share = _share(numbers, head, taxonomy, "unknown")
    if share is None:
        return "Every row is classified: none is *unknown*."
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


def _share(numbers: Numbers, head: str, taxonomy: str, behaviour: str, token: str = ALL) -> Number | None:
    shares = numbers.find(
        head=head, table="distribution", taxonomy=taxonomy, token=token, behaviour=behaviour
    )
    return shares[0] if shares else None


def tokens_decide(numbers: Numbers, head: str) -> str:
    """Say whether the destination token determines the behaviour."""
    extremes = {n.about["quantity"]: n for n in numbers.find(head=head, table="tokens") if n.detail}
    if not extremes:
        return "No destination token is frequent enough to be looked at on its own."
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
    token, behaviour = number.detail["token"], number.detail["behaviour"]
    return f"{code(token)}, *{behaviour}*, takes in {number.text} of that token's rows"


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
    named = [n for n in ranking(numbers, head, "extended") if n.about["behaviour"] != "unknown"]
    bound = numbers.find(head=head, table="tokens", quantity="common")[0].text
    take = "label takes" if found[0].value == 1 else "labels take"
    lead = f"With the extended definitions {found[0].text} {take} in at least {bound} of the rows each"
    return f"{lead}; the largest are {listing([emphasised(n) for n in named[:4]])}." if named else f"{lead}."


def runs(numbers: Numbers, head: str, task: str, kind: str, quantity: str) -> tuple[Number, Number]:
    """Return a task's number in the clean and in the ablated run."""
    clean, ablated = (
        numbers.get(f"{head}/ablation/{task}/{kind}/{run}/{quantity}") for run in ("clean", "ablated")
    )
    return clean, ablated


def measurable(numbers: Numbers, head: str, task: str, kind: str) -> bool:
    """Say whether the mean drop at the destination, prompt by prompt, is surely not zero."""
    return certain(numbers.get(f"{head}/drop/{task}/{kind}/destination"))


def certain(number: Number) -> bool:
    """Say whether a number has an interval, and zero is not in it."""
    return number.low is not None and number.high is not None and not number.low <= 0 <= number.high


def ablation_method(kinds: list[str]) -> str:
    """Say what takes the place of the head's row, for each kind of ablation that the study ran."""
    ways = {
        "bos": "by one that attends to BOS alone, as in the post, so that the head writes what it writes "
        "when it is inactive",
        "zero": "by nothing, so that the head writes nothing",
        "mean": "by the mean of all prompts' rows at that position",
        "resample": "by another prompt's row at that position",
    }
    return "; or ".join(ways[kind] for kind in kinds)


def task_reading(numbers: Numbers, head: str, task: str, kind: str) -> str:
    """Say what the ablation at the destination does to a task."""
    clean, ablated = runs(numbers, head, task, kind, "top1")
    before, after = runs(numbers, head, task, kind, "mean_probability")
    sentences = []
    if clean.value < LEARNED:
        sentences.append(
            "The model does not do this task reliably: the answer is its first choice in only "
            f"{clean.full} of the clean runs, so that little can be read off an ablation here."
        )
    if clean.value < HOPELESS:
        return " ".join(sentences)
    if not measurable(numbers, head, task, kind):
        sentences.append(
            "Ablating the head at the destination makes no measurable difference: the answer's mean "
            f"probability is {before.full} before and {after.full} after."
        )
    else:
        verb = "falls" if after.value < before.value else "rises"
        sentences.append(
            f"When the head is ablated at the destination, the answer's mean probability {verb} from "
            f"{before.full} to {after.full}, and it {_first_choice(clean, ablated)} of the prompts."
        )
    return " ".join(sentences)


def _first_choice(clean: Number, ablated: Number) -> str:
    if clean.text == ablated.text:
        return f"stays the first choice in {clean.text}"
    return f"is the first choice in {ablated.text} instead of {clean.text}"


def in_last_layer(numbers: Numbers, head: str) -> bool:
    """Say whether no layer reads what the head writes."""
    layers = numbers.find(part="model", quantity="n_layers")
    return bool(layers) and int(head.split(".")[0]) == layers[0].value - 1


def elsewhere_reading(numbers: Numbers, head: str, task: str, kind: str) -> str:
    """Say whether ablations at other positions matter; nothing where the model cannot do the task at all."""
    if runs(numbers, head, task, kind, "top1")[0].value < HOPELESS:
        return ""
    drops = {n.about["quantity"]: n for n in numbers.find(head=head, table="drop", task=task, kind=kind)}
    if "elsewhere" not in drops:
        return ""
    largest, here = drops["elsewhere"], drops["destination"]
    if in_last_layer(numbers, head):
        return (
            "At every other position the ablation cannot change the answer, by construction: the head is in "
            "the model's last layer, and no layer above it carries what it writes there to the last position."
        )
    where = code(largest.detail["token"])
    if largest.value < NEGLIGIBLE_DROP:
        return (
            "At every other position the ablation costs little: the largest drop in probability is "
            f"{largest.text}, at {where}, against {here.text} at the destination."
        )
    if largest.value < here.value:
        return (
            f"The destination matters most ({here.text}), but not alone: the ablation at {where} costs "
            f"{largest.text}."
        )
    return f"The largest drop is not at the destination ({here.text}) but at {where}: {largest.text}."


def control_reading(numbers: Numbers, head: str, task: str) -> str:
    """Say of a task whether the head attends where it should, and whether it is that edge and that head."""
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
            f"cutting that one edge costs {known['edge', 'drop'].text}, ablating the whole row "
            f"{known['head', 'drop'].text}"
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
        return f"of all {rank.n} heads, none matters more"
    best = f"head {rank.detail['largest']} matters most ({rank.detail['value']})"
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
    shares = {n.about["behaviour"]: n for n in numbers.find(head=head, table="unknown")}
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


def kinds_reading(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say whether the head does other things in one kind of text than in another."""
    by_kind = {
        kind: {
            n.about["behaviour"]: n
            for n in numbers.find(head=head, table="by kind", taxonomy=taxonomy, kind=kind)
        }
        for kind in numbers.values("kind", head=head, table="by kind")
        if kind != ALL
    }
    if len(by_kind) < 2:
        return ""
    one, other = list(by_kind)[:2]
    apart = [
        (by_kind[one][name], by_kind[other][name])
        for name in by_kind[one]
        if name in by_kind[other] and not overlap(by_kind[one][name], by_kind[other][name])
    ]
    if not apart:
        return f"The shares in {one} and in {other} cannot be told apart."
    a, b = max(apart, key=lambda pair: abs(pair[0].value - pair[1].value))
    return (
        f"The shares in {one} and in {other} differ most for *{a.about['behaviour']}*: {a.text} of the rows "
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


def conclusion(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say how many things the head does, and how many of the tasks depend on it."""
    shares = [n for n in ranking(numbers, head, taxonomy) if n.about["behaviour"] != "unknown"]
    common = [n for n in shares if n.value >= 0.01]
    if len(common) > 1:
        sentence = (
            f"Head {head} shows several behaviours: {listing([emphasised(n) for n in common])} of its rows."
        )
    elif common:
        sentence = (
            f"Nearly all of what is classified of head {head} is one behaviour: {emphasised(common[0])}."
        )
    else:
        sentence = f"Hardly a row of head {head} fits one of the behaviours defined."
    tasks = numbers.values("task", head=head, table="ablation")
    return f"{sentence} {dependence(numbers, head, tasks)}".strip()


def dependence(numbers: Numbers, head: str, tasks: list[str]) -> str:
    """Say which of the tasks that the model does get measurably worse without the head."""
    learned = [task for task in tasks if _learned(numbers, head, task)]
    if not learned:
        return (
            "The model does none of the tasks reliably, so they say nothing about the head." if tasks else ""
        )
    worse = [f"*{task_name(task)}*" for task in learned if _gets_worse(numbers, head, task)]
    which = "the tasks" if len(learned) == len(tasks) else "the tasks that the model does reliably"
    if not worse:
        return f"None of {which} gets measurably worse when the head is ablated at the destination."
    verb = "gets" if len(worse) == 1 else "get"
    return (
        f"Of {which}, {listing(worse)} {verb} measurably worse when the head is ablated at the destination."
    )


def _learned(numbers: Numbers, head: str, task: str) -> bool:
    return runs(numbers, head, task, _kind(numbers, head, task), "top1")[0].value >= LEARNED


def _gets_worse(numbers: Numbers, head: str, task: str) -> bool:
    kind = _kind(numbers, head, task)
    drop = numbers.get(f"{head}/drop/{task}/{kind}/destination")
    return drop.value > 0 and measurable(numbers, head, task, kind)


def _kind(numbers: Numbers, head: str, task: str) -> str:
    """Return the ablation that the text is about: the first of the config."""
    return numbers.values("kind", head=head, table="ablation", task=task)[0]


def task_name(task: str) -> str:
    """Return a task's name as text."""
    return task.replace("_", " ")
