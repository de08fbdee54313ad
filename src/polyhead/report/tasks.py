"""Which tasks depend on the head, by every ablation that was run; sentences, and a word for the tables.

An ablation takes attention away and puts something in its place, the *fill*. What is said of a task goes by
all fills, and by first choices as well as by the answer's probability: that nothing is lost by one of them
does not say that nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from polyhead.ablation.task_edges import LEAST_DROP
from polyhead.model.vocabulary import ALL
from polyhead.report.markdown import listing
from polyhead.report.numbers import Number, Numbers, flipped, format_value
from polyhead.report.sentences import FILLS, MEAN_OUTPUT, PROBABILITY, certain, change, changes, task_name

READ = 0.8
"""A task is read where the model's first choice is right in at least this share of its clean runs."""
BOUND = format_value(LEAST_DROP, "points")
FIRST_CHOICES = "the first choices"


class Grade(StrEnum):
    """How far a task depends on the head."""

    YES = "yes"
    RAISED = "better without"
    BY_SOME = "by some fills"
    LITTLE = "little, if at all"
    NO = "no"


@dataclass(frozen=True)
class Loss:
    """What ablating the whole row takes with one fill: of the answer's probability, and of first choices."""

    fill: str
    drop: Number
    top1: Number | None = None

    @property
    def parts(self) -> list[tuple[Number, str]]:
        """Both losses that are known, each with what it is a loss of."""
        parts = [(self.drop, PROBABILITY), (self.top1, FIRST_CHOICES)]
        return [(number, what) for number, what in parts if number is not None]


def tasks_read(numbers: Numbers, head: str, tasks: list[str]) -> tuple[list[str], list[str]]:
    """Divide the tasks into those that the model does well enough to be read, and the others."""
    clean = numbers.by("task", head=head, table="ablation", run="clean", quantity="top1")
    read = [task for task in tasks if task in clean and clean[task].value >= READ]
    return read, [task for task in tasks if task not in read]


def in_short(numbers: Numbers, head: str, tasks: list[str]) -> str:
    """Say of all tasks in few words which depend on the head."""
    read, left = tasks_read(numbers, head, tasks)
    shown = {task: shown_by(numbers, head, task) for task in read}
    behaviours = dict.fromkeys(filter(None, shown.values()))
    sentences = [
        _shows(numbers, head, behaviour, [task for task in read if shown[task] == behaviour])
        for behaviour in behaviours
    ]
    parts = [_in_few_words(numbers, head, task) for task in read if not shown[task]]
    if parts:
        sentences.append(
            f"Do {'the other ' if behaviours else ''}tasks depend on the head (in brackets: what ablating "
            f"it takes of {PROBABILITY})? {'; '.join(parts)}."
        )
    return " ".join([*sentences, _unread_in_short(numbers, head, left)]).strip()


def _in_few_words(numbers: Numbers, head: str, task: str) -> str:
    """Return a task's grade, with the drop by the first fill and the largest one where fills differ."""
    lost_ = losses(numbers, head, task)
    if not lost_:
        return f"*{task_name(task)}*: not measured"
    said = f"{_taken(lost_[0].drop)} by {FILLS[lost_[0].fill]}"
    how = grade(lost_)
    if how is Grade.BY_SOME:
        known = [(loss.fill, *part) for loss in lost_ for part in loss.parts if sure(part[0])]
        fill, number, what = max(known, key=lambda each: (each[2] == PROBABILITY, abs(each[1].value)))
        of = "" if what == PROBABILITY else f" of {what}"
        said += f", {_taken(number)}{of} by {FILLS[fill]}"
    shown = shown_by(numbers, head, task, "mean")
    also = f"; with {FILLS[MEAN_OUTPUT]} in their place it shows *{shown}*" if shown else ""
    return f"*{task_name(task)}*: {how} ({said}{also})"


def _taken(drop: Number) -> str:
    return drop.brief if drop.value >= 0 else f"{flipped(drop).brief} gained"


def _unread_in_short(numbers: Numbers, head: str, tasks: list[str]) -> str:
    if not tasks:
        return ""
    lead = f"The model does the {named(tasks)} badly, {_says_little(tasks)}"
    changed = _surely_changed(numbers, head, tasks)
    if not changed:
        return f"{lead}."
    parts = [
        f"{_taken(loss.drop)}{' lost' * (loss.drop.value > 0)} in *{task_name(task)}*"
        for task, loss in changed.items()
    ]
    return f"{lead}; yet ablating it by {_fill_of(changed)} changes {PROBABILITY}: {listing(parts)}."


def _says_little(tasks: list[str]) -> str:
    them = "it" if len(tasks) == 1 else "them"
    return f"which says little about whether the head is needed for {them}"


def _surely_changed(numbers: Numbers, head: str, tasks: list[str]) -> dict[str, Loss]:
    """Return of some tasks the loss by the first fill, where there surely is one, the largest first."""
    first = {task: lost[0] for task in tasks if (lost := losses(numbers, head, task))}
    surely = [task for task, loss in first.items() if certain(loss.drop)]
    return {task: first[task] for task in sorted(surely, key=lambda task: -abs(first[task].drop.value))}


def _fill_of(changed: Mapping[str, Loss]) -> str:
    return FILLS[next(iter(changed.values())).fill]


def of_tasks(numbers: Numbers, head: str, tasks: list[str]) -> str:
    """Say of tasks of one outcome whether they depend on the head, and through which edges."""
    if shown := shown_by(numbers, head, tasks[0]):
        return _shows(numbers, head, shown, tasks)
    say: dict[Grade, Callable[[Numbers, str, list[str]], str]] = {
        Grade.YES: _depends,
        Grade.RAISED: _raised,
        Grade.BY_SOME: _by_some,
        Grade.LITTLE: _little,
        Grade.NO: _not,
    }
    return say[grade(losses(numbers, head, tasks[0]))](numbers, head, tasks)


def losses(numbers: Numbers, head: str, task: str) -> list[Loss]:
    """Return what ablating the whole row takes, by fill; the first is the study's first method."""
    about = {"head": head, "task": task}
    found = []
    for method in numbers.values("method", **about, table="ablation"):
        lost = numbers.by("quantity", **about, table="ablation", method=method, run="ablated")
        if "drop" in lost:
            found.append(Loss(method, lost["drop"], lost.get("top1_drop")))
    by_output = numbers.first(**_of_edges(head, task, "mean"), edges=ALL)
    return [*found, Loss(MEAN_OUTPUT, by_output)] if by_output is not None else found


def grade(lost: Sequence[Loss]) -> Grade:
    """Say how far a task depends on the head.

    It does where the first fill surely takes the bound or more of the answer's probability, and does not
    where every fill surely changes less, in probability and in first choices.
    """
    if not lost:
        return Grade.LITTLE
    if sure(lost[0].drop):
        return Grade.YES if lost[0].drop.value > 0 else Grade.RAISED
    every = [number for loss in lost for number, _ in loss.parts]
    if not any(map(maybe, every)):
        return Grade.NO
    return Grade.BY_SOME if any(map(sure, every)) else Grade.LITTLE


def sure(number: Number) -> bool:
    """Say whether a change is at least as large as the bound, and surely not zero."""
    return certain(number) and abs(number.value) >= LEAST_DROP


def maybe(number: Number) -> bool:
    """Say whether a change may be as large as the bound: its interval reaches there, or it has none."""
    return number.low is None or number.high is None or max(-number.low, number.high) >= LEAST_DROP


def shown_by(numbers: Numbers, head: str, task: str, method: str = "bos") -> str:
    """Return the behaviour that a task shows through the head, or nothing."""
    lines = numbers.by("edges", **_of_edges(head, task, method))
    return next((name for name, n in lines.items() if n.detail["shows"] == "True"), "")


def _of_edges(head: str, task: str, method: str) -> dict[str, str]:
    return {"head": head, "table": "task edges", "task": task, "method": method, "quantity": "drop"}


def _shows(numbers: Numbers, head: str, behaviour: str, tasks: list[str]) -> str:
    drops = [numbers.by("edges", **_of_edges(head, task, "bos")) for task in tasks]
    edges, rows = (listing([of_task[which].text for of_task in drops]) for which in (behaviour, ALL))
    return (
        f"The {named(tasks)} {'shows' if len(tasks) == 1 else 'show'} *{behaviour}* through this head: with "
        f"{FILLS['bos']} in their place, cutting these edges alone takes {edges} of {PROBABILITY}, ablating "
        f"whole rows {rows}."
    )


def _depends(numbers: Numbers, head: str, tasks: list[str]) -> str:
    (task,) = tasks
    first = losses(numbers, head, task)[0]
    edges = numbers.first(**_of_edges(head, task, "bos"), edges=ALL)
    lead = f"The {named(tasks)} depends on the head ({first.drop.full} by {FILLS[first.fill]})"
    if edges is None:
        return f"{lead}; through which edges was not measured."
    other = _shown_otherwise(numbers, head, task)
    return (
        f"{lead}, but by this fill on no behaviour that has a name here; it attends to "
        f"{edges.detail['top_sources']}.{other}"
    )


def _raised(numbers: Numbers, head: str, tasks: list[str]) -> str:
    (task,) = tasks
    first, *others = losses(numbers, head, task)
    return (
        f"The {named(tasks)} is done better without the head: ablating it by {FILLS[first.fill]} "
        f"{_parts(first)}{_others(others)}.{_shown_otherwise(numbers, head, task)}"
    )


def _by_some(numbers: Numbers, head: str, tasks: list[str]) -> str:
    (task,) = tasks
    first, *others = losses(numbers, head, task)
    small = not any(sure(number) for number, _ in first.parts)
    lead = (
        f"The {named(tasks)} depends little on the head where {FILLS[first.fill]} takes its row's place: "
        if small
        else f"How far the {named(tasks)} depends on the head hangs on what takes its row's place: by "
        f"{FILLS[first.fill]}, "
    )
    return f"{lead}ablating it {_parts(first)}{_others(others)}.{_shown_otherwise(numbers, head, task)}"


def _others(losses_: Sequence[Loss]) -> str:
    """Say what the other fills take, those that surely take the bound or more."""
    dear = [loss for loss in losses_ if any(sure(number) for number, _ in loss.parts)]
    return "".join(f"; by {FILLS[loss.fill]} it {_parts(loss)}" for loss in dear)


def _shown_otherwise(numbers: Numbers, head: str, task: str) -> str:
    shown = shown_by(numbers, head, task, "mean")
    if not shown:
        return ""
    drops = numbers.by("edges", **_of_edges(head, task, "mean"))
    return (
        f" With {FILLS[MEAN_OUTPUT]} in their place it shows *{shown}*: cutting these edges alone takes "
        f"{drops[shown].text} of the {drops[ALL].text}."
    )


def _little(numbers: Numbers, head: str, tasks: list[str]) -> str:
    (task,) = tasks
    lost = losses(numbers, head, task)
    if not lost:
        return f"Whether the {named(tasks)} depends on the head was not measured."
    open_ = [
        f"by {FILLS[loss.fill]} it {changes(number, what)}"
        for loss in lost
        for number, what in loss.parts
        if maybe(number)
    ]
    return (
        f"The {named(tasks)} depends little, if at all, on the head: ablating it by {FILLS[lost[0].fill]} "
        f"{changes(lost[0].drop)}. That it is {BOUND} or more cannot be excluded: {'; '.join(open_)}."
    )


def _not(numbers: Numbers, head: str, tasks: list[str]) -> str:
    lost = [losses(numbers, head, task) for task in tasks]
    fills = dict.fromkeys(FILLS[loss.fill] for of_task in lost for loss in of_task)
    first = listing([of_task[0].drop.brief for of_task in lost])
    verb = "does" if len(tasks) == 1 else "do"
    return (
        f"The {named(tasks)} {verb} not depend on the head: by {listing(list(fills))} ablating it surely "
        f"changes {PROBABILITY}, and {FIRST_CHOICES} where they were counted, by less than {BOUND} (the drop "
        f"of the former by {next(iter(fills))}: {first})."
    )


def _parts(loss: Loss) -> str:
    """Say what a fill does to the answer's probability and to first choices; one verb if it does the same."""
    (verb, said), *more = (change(number, what) for number, what in loss.parts)
    return " and ".join(
        [f"{verb} {said}", *(said if same == verb else f"{same} {said}" for same, said in more)]
    )


def unread_reading(numbers: Numbers, head: str, tasks: list[str]) -> str:
    """Say of tasks that the model does badly that they tell little, and what ablating the head changes."""
    if not tasks:
        return ""
    return (
        f"The model does the {named(tasks)} badly (the answer is the first choice in fewer than "
        f"{format_value(READ, 'percent')} of the clean runs), {_says_little(tasks)}. "
        f"{_changed(numbers, head, tasks)}"
    ).strip()


def _changed(numbers: Numbers, head: str, tasks: list[str]) -> str:
    """Say of some tasks what ablating the head surely changes, the largest change first."""
    changed = _surely_changed(numbers, head, tasks)
    if not changed:
        return ""
    parts = [f"{_parts(loss)} in *{task_name(task)}*" for task, loss in changed.items()]
    return f"Yet ablating the head by {_fill_of(changed)} changes the answer: it {'; '.join(parts)}."


def named(tasks: list[str]) -> str:
    """Return the names of tasks after the word for them."""
    names = listing([f"*{task_name(task)}*" for task in tasks])
    return f"{'task' if len(tasks) == 1 else 'tasks'} {names}"
