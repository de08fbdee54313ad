"""What the report concludes: sentences that follow from the verdict, for every outcome.

Each says what was found, in which rows, at which cost; and, as plainly, what was not. The words
*polysemantic*, *depends* and *shows* are chosen by a rule that a test feeds with all outcomes.
"""

from __future__ import annotations

from polyhead.ablation.verdict import BOUNDS
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS
from polyhead.model.vocabulary import ALL
from polyhead.report.markdown import listing
from polyhead.report.numbers import CONFIDENCE, Number, Numbers

HARDLY = 0.0005
"""A smaller share of the rows would print as nothing."""
READ = 0.8
"""A task is read where the model's first choice is right in at least this share of its clean runs."""
LEAST_DROP = 0.05
MEANING = {
    "previous": "to one of the few tokens before",
    "induction": "to what followed an earlier copy of the same token",
    "duplicate": "to an earlier copy of the same token",
    "indent": "from one line's indentation to another's",
}
COUNTED = {2: "two", 3: "three", 4: "four"}
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
    done = rest.detail["behaviours"].split("+")
    rests = ", and rests" if rest.detail["with_rest"] == "True" else ""
    match rest.detail["verdict"]:
        case "polysemantic":
            return f"Attention head {head} does {COUNTED[len(done)]} things: {listing(done)}{rests}"
        case "one behaviour":
            return f"Attention head {head} does one thing: {done[0]}{rests}"
        case "none":
            return f"Attention head {head} does none of the four things it was tested for"
    return f"Does attention head {head} do more than one thing? This text cannot decide it"


def verdict_sentences(numbers: Numbers, head: str) -> str:
    """Say what the head does, by the definition of the report, and what that is worth."""
    rest = verdict_of(numbers, head)
    if rest is None:
        return "What the head's attention is worth was not measured in this study: it describes, no more."
    sentences = [_lead(head, rest.detail), *_costs(numbers, head, rest.detail)]
    if rest.detail["with_rest"] == "True":
        sentences.append(
            f"In {rest.text} of its rows it rests: at least half of its attention is on BOS or EOS."
        )
    return " ".join([*sentences, _explained(numbers, head, rest.detail)]).strip()


def _lead(head: str, detail: dict[str, str]) -> str:
    done, open_ = _named(detail["behaviours"]), _named(detail["undecided"])
    match detail["verdict"]:
        case "polysemantic":
            return f"Head {head} is polysemantic: it does {listing(done)}, each on rows of its own."
        case "one behaviour":
            return f"Head {head} is not polysemantic: of the four behaviours it does one, {done[0]}."
        case "none":
            return f"Head {head} is not polysemantic: it does none of the four behaviours."
    sure = f"it does {listing(done)}; " if done else ""
    return (
        f"Whether head {head} is polysemantic cannot be decided on this text: {sure}whether it does "
        f"{listing(open_)} stays open."
    )


def _named(joined: str) -> list[str]:
    return [f"*{name}*" for name in joined.split("+") if name]


def _costs(numbers: Numbers, head: str, detail: dict[str, str]) -> list[str]:
    """Say for every behaviour that the head does on how many rows, and what cutting its edges costs there."""
    return [
        f"In {_profile(numbers, head, name, 'share')} of its rows most of its attention is on *{name}* "
        f"edges ({MEANING[name]}); cutting them there costs the next token "
        f"{_profile(numbers, head, name, 'cost').full} a row."
        for name in detail["behaviours"].split("+")
        if name
    ]


def _profile(numbers: Numbers, head: str, edges: str, quantity: str) -> Number:
    return numbers.find(table="edge profile", of=head, edges=edges, quantity=quantity)[0]


def _explained(numbers: Numbers, head: str, detail: dict[str, str]) -> str:
    share = numbers.first(table="verdict", of=head, quantity="explained")
    if share is not None and _vague(share):
        return f"How much of whole rows' effect that explains is not known ({CONFIDENCE} {share.interval})."
    if share is None:
        return ""
    if detail["mostly_unexplained"] == "True":
        return (
            f"Most of what the head is worth is something else: with only these edges and its rest left, "
            f"{share.full} of the effect of whole rows remains."
        )
    edges = listing([*_named(detail["behaviours"]), "rest"])
    return f"The edges of {edges} explain {share.full} of what the head's whole rows are worth."


def what_it_does_not_do(numbers: Numbers, head: str) -> str:
    """Say of each behaviour that the head does not do how that is known."""
    rest = verdict_of(numbers, head)
    if rest is None:
        return ""
    done = rest.detail["behaviours"].split("+") + rest.detail["undecided"].split("+")
    parts = [_not_done(numbers, head, name) for name in CLASS_BEHAVIOURS if name not in done]
    return f"It does not do {'; nor '.join(parts)}." if parts else ""


def _not_done(numbers: Numbers, head: str, name: str) -> str:
    known = numbers.by("quantity", table="edge profile", of=head, edges=name)
    share, cost = known["share"], known.get("cost")
    if share.value < HARDLY:
        return f"*{name}*, which hardly ever dominates a row"
    if cost is None or share.value < BOUNDS.share:
        return f"*{name}*, which dominates only {share.text} of its rows"
    return f"*{name}*, whose edges cost {cost.full} on the {share} of its rows that they dominate"


def _vague(share: Number) -> bool:
    """Say whether a share's interval is wider than all that a share can be."""
    return share.low is not None and share.high is not None and share.high - share.low > 1


def heads_counted(numbers: Numbers, head: str = "") -> str:
    """Say how many heads of the model have which verdict, and how far that depends on intervals and bounds.

    What is said of all heads at once goes by intervals that hold for all of them together. Where `head` has
    another verdict by its own interval, that is said.
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
        f"{listing(parts)}.{_own_verdict(numbers, head)} {_other_bounds(numbers)}"
    )


def _own_verdict(numbers: Numbers, head: str) -> str:
    """Say where a head is counted otherwise than its own interval would have it."""
    own = verdict_of(numbers, head)
    counted = [
        n.about["verdict"]
        for n in numbers.find(table="verdicts", bounds="joint")
        if head in n.detail.get("heads", "").split()
    ]
    if own is None or not counted or counted[0] == own.detail["verdict"]:
        return ""
    words = {"none": "does none", "one behaviour": "does one behaviour"}
    of_own, of_all = (f"{words.get(each, f'is {each}')}" for each in (own.detail["verdict"], counted[0]))
    return f" Head {head} {of_own} by its own interval, but counts here as one that {of_all}."


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


def tasks_read(numbers: Numbers, head: str, tasks: list[str]) -> tuple[list[str], list[str]]:
    """Divide the tasks into those that the model does well enough to be read, and the others."""
    clean = numbers.by("task", head=head, table="ablation", run="clean", quantity="top1")
    read = [task for task in tasks if task in clean and clean[task].value >= READ]
    return read, [task for task in tasks if task not in read]


def tasks_and_behaviours(numbers: Numbers, head: str, tasks: list[str]) -> str:
    """Say which tasks depend on the head, and through which edges."""
    read, left = tasks_read(numbers, head, tasks)
    if not tasks:
        return ""
    if not read:
        return "The model does none of the tasks well enough for their ablation to be read."
    shown = {task: _shown(numbers, head, task) for task in read}
    sentences = [
        f"The {_tasks(names)} {'shows' if len(names) == 1 else 'show'} *{behaviour}* through this head: "
        f"{_drops(numbers, head, names, behaviour)}."
        for behaviour, names in _by_behaviour(shown).items()
    ]
    without = [task for task in read if not shown[task]]
    sentences += [_without(numbers, head, task) for task in without]
    if left:
        verb = "is" if len(left) == 1 else "are"
        them = "it" if len(left) == 1 else "them"
        sentences.append(f"The {_tasks(left)} {verb} not read: the model does not do {them} well.")
    return " ".join(sentences)


def _shown(numbers: Numbers, head: str, task: str) -> str:
    """Return the behaviour that a task shows through the head, or nothing."""
    lines = numbers.by("edges", **_of_task(head, task))
    return next((name for name, n in lines.items() if n.detail["shows"] == "True"), "")


def _of_task(head: str, task: str) -> dict[str, str]:
    return {"head": head, "table": "task edges", "task": task, "method": "bos", "quantity": "drop"}


def _by_behaviour(shown: dict[str, str]) -> dict[str, list[str]]:
    behaviours = dict.fromkeys(name for name in shown.values() if name)
    return {name: [task for task, found in shown.items() if found == name] for name in behaviours}


def _drops(numbers: Numbers, head: str, tasks: list[str], behaviour: str) -> str:
    drops = [numbers.by("edges", **_of_task(head, task)) for task in tasks]
    edges, rows = (listing([str(of_task[which]) for of_task in drops]) for which in (behaviour, ALL))
    return f"cutting these edges alone takes {edges} of the answer's probability, ablating whole rows {rows}"


def _without(numbers: Numbers, head: str, task: str) -> str:
    whole = numbers.first(**_of_task(head, task), edges=ALL)
    if whole is None:
        return f"Which edges the {_tasks([task])} depends on was not measured."
    if whole.value < LEAST_DROP:
        return f"The {_tasks([task])} does not depend on this head: ablating its row costs {whole.full}."
    return (
        f"The {_tasks([task])} depends on the head ({whole.full}), but on no behaviour that has a name "
        f"here; it attends to {whole.detail['top_sources']}."
    )


def _tasks(names: list[str]) -> str:
    named = listing([f"*{name.replace('_', ' ')}*" for name in names])
    return f"{'task' if len(names) == 1 else 'tasks'} {named}"
