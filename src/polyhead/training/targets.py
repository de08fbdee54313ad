"""What the reference model is meant to reach, held against its evaluation; the bounds are the recipe's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polyhead.attention.labels import UNKNOWN
from polyhead.training.recipe import TargetsRecipe

Evaluation = Mapping[str, Any]
Head = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """One aim: what was asked, what was found, and whether that is enough."""

    aim: str
    found: str
    reached: bool


@dataclass(frozen=True)
class Candidate:
    """What speaks for a head as the one to study: its labels in one taxonomy, and the tasks that need it."""

    name: str
    taxonomy: str
    labels: Mapping[str, float]
    """Shares of its rows, of the labels that take enough of them, `unknown` left out; the largest first."""
    unknown: float
    tasks: Sequence[str]
    """Tasks that lose enough when the head is ablated at their destination."""


def targets(evaluation: Evaluation, wanted: TargetsRecipe) -> list[Target]:
    """Hold an evaluation against what is wanted."""
    heads, bits = evaluation["heads"], evaluation["held_out"]["bits_per_byte"]
    aim = f"held-out text: at most {wanted.bits_per_byte} bits per byte"
    found = [Target(aim, f"{bits:.3f}", bits <= wanted.bits_per_byte)]
    for column, what in SCORES.items():
        best = max(heads, key=lambda name: heads[name][column])
        score, least = heads[best][column], getattr(wanted, column)
        found.append(Target(f"a head with {what} ≥ {least}", f"{score:.2f}, head {best}", score >= least))
    found += [_family(evaluation, family, wanted.task_top1) for family in wanted.families]
    return [*found, *_of_a_head(candidates(evaluation, wanted), wanted)]


SCORES = {
    "induction_repeated": "an induction score, on a short random sequence of tokens that text has, twice,",
    "previous": "attention exactly one token back",
}


def _family(evaluation: Evaluation, family: str, least: float) -> Target:
    """Take the best of the templates that ask for one behaviour."""
    tasks = {name: task for name, task in evaluation["tasks"].items() if name.startswith(family)}
    best = max(tasks, key=lambda name: tasks[name]["top1"])
    top1 = tasks[best]["top1"]
    aim = f"a template of {family.replace('_', ' ')} done in {least:.0%} of its prompts"
    return Target(aim, f"{top1:.0%}, {best}", top1 >= least)


def _of_a_head(ranked: Sequence[Candidate], wanted: TargetsRecipe) -> Iterator[Target]:
    aims = (
        f"a head with {wanted.labels} labels of ≥ {wanted.label_share:.0%} of its rows each",
        f"… and at most {wanted.unknown:.0%} of them unknown",
        f"… that {wanted.tasks} of these tasks need (top-1 or probability falls by ≥ {wanted.drop:.0%})",
    )
    best = ranked[0]
    labels = ", ".join(f"{name} {share:.0%}" for name, share in best.labels.items())
    found = (
        f"{best.name}, {best.taxonomy}: {labels}",
        f"{best.unknown:.0%}",
        ", ".join(best.tasks) or "none",
    )
    enough = (
        len(best.labels) >= wanted.labels,
        best.unknown <= wanted.unknown,
        len(best.tasks) >= wanted.tasks,
    )
    yield from (Target(*line) for line in zip(aims, found, enough, strict=True))


def candidates(evaluation: Evaluation, wanted: TargetsRecipe) -> list[Candidate]:
    """Return every head in the taxonomy that suits it better, the most suitable to study first.

    Suitable is, in this order: meeting more of the three aims that are about one head; more labels; more
    tasks that need it; a smaller share of unknown rows.
    """
    done = [name for name, task in evaluation["tasks"].items() if task["top1"] >= wanted.task_top1]
    found = [
        _candidate(name, head, taxonomy, done, evaluation["tasks"], wanted)
        for name, head in evaluation["heads"].items()
        for taxonomy in head["labels"]
    ]
    ranked = sorted(found, key=lambda one: _merit(one, wanted))
    best = {one.name: one for one in ranked}  # of a head's taxonomies, the later one stays
    return sorted(best.values(), key=lambda one: _merit(one, wanted), reverse=True)


def _merit(one: Candidate, wanted: TargetsRecipe) -> tuple[int, int, int, float]:
    met = [len(one.labels) >= wanted.labels, one.unknown <= wanted.unknown, len(one.tasks) >= wanted.tasks]
    return sum(met), len(one.labels), len(one.tasks), -one.unknown


def _candidate(
    name: str, head: Head, taxonomy: str, done: Sequence[str], tasks: Mapping[str, Any], wanted: TargetsRecipe
) -> Candidate:
    shares = sorted(head["labels"][taxonomy].items(), key=lambda item: -item[1])
    labels = {label: share for label, share in shares if label != UNKNOWN and share >= wanted.label_share}
    needing = [task for task in done if _drop(tasks[task], head["ablated"][task]) >= wanted.drop]
    return Candidate(name, taxonomy, labels, dict(shares).get(UNKNOWN, 0.0), needing)


def _drop(clean: Mapping[str, float], ablated: Mapping[str, float]) -> float:
    return max(clean[measure] - ablated[measure] for measure in ("top1", "probability"))
