"""Sentences whose truth depends on a result, chosen from the result.

Every function reads numbers and returns markdown; the wording follows the values, the digits are the numbers'
own texts.
"""

from __future__ import annotations

from polyhead.distribution import ALL
from polyhead.markdown import code, listing
from polyhead.numbers import ALIKE, Number, Numbers, ranking

SMALL_DIFFERENCE = 0.05
NEGLIGIBLE_DROP = 0.05
DECIDED = 0.9
LEARNED = 0.5


def emphasised(number: Number) -> str:
    """Return a share with its behaviour: *previous* (41.3 %)."""
    return f"*{number.about['behaviour']}* ({number.text})"


def most_common(numbers: Numbers, head: str, taxonomy: str) -> str:
    """Say which behaviour is the most common over all rows, and which follow."""
    first, *rest = ranking(numbers, head, taxonomy)
    follow = f", followed by {listing([emphasised(n) for n in rest[:3]])}" if rest else ""
    if first.about["behaviour"] == "unknown":
        return f"Across all rows, most common is that no behaviour fits: {emphasised(first)}{follow}."
    sentence = f"Across all rows, *{first.about['behaviour']}* is the most common behaviour ({first.inside}){follow}."
    if rest and overlap(first, rest[0]):
        sentence += " The first two are too close to each other for their order to be certain."
    return sentence


def overlap(one: Number, other: Number) -> bool:
    """Say whether two numbers' intervals have a value in common; without intervals: whether they are equal."""
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
    extremes = {n.about["quantity"]: n for n in numbers.find(head=head, table="tokens") if "token" in n.about}
    if not extremes:
        return "No destination token is frequent enough to be looked at on its own."
    least, most = extremes["least"], extremes["most"]
    lead = (
        "The destination token does not determine the behaviour"
        if least.value < DECIDED
        else "The destination token all but determines the behaviour"
    )
    if least.about["token"] == most.about["token"]:
        return f"{lead}: the most frequent label of {_most(least)}."
    return f"{lead}: the most frequent label of {_most(least)}, that of {_most(most)}."


def _most(number: Number) -> str:
    return f"{code(number.about['token'])}, *{number.about['behaviour']}*, takes in {number.text} of that token's rows"


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
    lead = f"With the extended definitions {found[0].text} labels take in at least {bound} of the rows each"
    return f"{lead}; the largest are {listing([emphasised(n) for n in named[:4]])}." if named else f"{lead}."


def runs(numbers: Numbers, head: str, task: str, kind: str, quantity: str) -> tuple[Number, Number]:
    """Return a task's number in the clean and in the ablated run."""
    clean, ablated = (
        numbers.get(f"{head}/ablation/{task}/{kind}/{run}/{quantity}") for run in ("clean", "ablated")
    )
    return clean, ablated


def task_reading(numbers: Numbers, head: str, task: str, kind: str) -> str:
    """Say what the ablation at the destination does to a task."""
    clean, ablated = runs(numbers, head, task, kind, "top1")
    before, after = runs(numbers, head, task, kind, "mean_probability")
    sentences = []
    if clean.value < LEARNED:
        sentences.append(
            f"The model does not do this task reliably: the answer is its first choice in only {clean.full} of the "
            "clean runs, so that little can be read off an ablation here."
        )
    if overlap(before, after):
        sentences.append(
            f"Ablating the head at the destination makes no measurable difference: the answer's mean probability "
            f"is {before.full} before and {after.full} after."
        )
    else:
        verb = "falls" if after.value < before.value else "rises"
        sentences.append(
            f"When the head is ablated at the destination, the answer's mean probability {verb} from {before.full} "
            f"to {after.full}, and it is the first choice in {ablated.text} instead of {clean.text} of the prompts."
        )
    return " ".join(sentences)


def elsewhere_reading(numbers: Numbers, head: str, task: str, kind: str) -> str:
    """Say whether ablations at other positions matter."""
    drops = {n.about["quantity"]: n for n in numbers.find(head=head, table="drop", task=task, kind=kind)}
    if "elsewhere" not in drops:
        return ""
    largest, here = drops["elsewhere"], drops["destination"]
    where = code(largest.about["token"])
    if largest.value < NEGLIGIBLE_DROP:
        return (
            f"At every other position the ablation costs little: the largest drop in probability is {largest.text}, "
            f"at {where}, against {here.text} at the destination."
        )
    if largest.value < here.value:
        return (
            f"The destination matters most ({here.text}), but not alone: the ablation at {where} costs "
            f"{largest.text}."
        )
    return f"The largest drop is not at the destination ({here.text}) but at {where}: {largest.text}."


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
    """Say which tasks get measurably worse without the head."""
    if not tasks:
        return ""
    worse = []
    for task in tasks:
        kind = numbers.values("kind", head=head, table="ablation", task=task)[0]
        clean, ablated = runs(numbers, head, task, kind, "mean_probability")
        if ablated.value < clean.value and not overlap(clean, ablated):
            worse.append(f"*{task_name(task)}*")
    if not worse:
        return "None of the tasks gets measurably worse when the head is ablated at the destination."
    which = "Every task" if len(worse) == len(tasks) > 1 else "Of the tasks,"
    verb = "gets" if len(worse) == 1 or which == "Every task" else "get"
    which = f"{which} ({listing(worse)})" if which == "Every task" else f"{which} {listing(worse)}"
    return f"{which} {verb} measurably worse when the head is ablated at the destination."


def task_name(task: str) -> str:
    """Return a task's name as text."""
    return task.replace("_", " ")
