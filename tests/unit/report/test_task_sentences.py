"""Which tasks depend on the head: what is said for every outcome, by every fill and by first choices, too."""

import pytest

from polyhead.report import tables, tasks
from polyhead.report.numbers import Number, Numbers, flipped
from polyhead.report.tasks import Grade

HEAD = "1.4"
NBSP = "\u00a0"


def number(about, value, width, unit="points", **detail):
    sides = {} if width is None else {"low": value - width, "high": value + width}
    return Number(about, value, unit, "a.csv", 50, detail=detail, **sides)


def ablated(task, clean=0.95, edges=None, shows="", **fills):
    """Numbers of a task: by each fill the drops of probability and of first choices, with their half-widths.

    `edges` has the drop of the whole row by the head's mean output, and that of *previous* edges; `shows` the
    fill by which the task shows *previous*.
    """
    found = []
    for fill, (drop, width, top1, top1_width) in fills.items():
        of_fill = {"head": HEAD, "table": "ablation", "task": task, "method": fill}
        runs = {"clean": (clean, 0.5), "ablated": (clean - top1, 0.5 - drop)}
        for run, values in runs.items():
            names = of_fill | {"run": run}
            found.append(Number(names | {"quantity": "prompts"}, 50, "count", "a.csv"))
            for quantity, value in zip(("top1", "mean_probability"), values, strict=True):
                found.append(number(names | {"quantity": quantity}, value, 0.01, "percent"))
        found.append(number(of_fill | {"run": "ablated", "quantity": "drop"}, drop, width))
        found.append(number(of_fill | {"run": "ablated", "quantity": "top1_drop"}, top1, top1_width))
    cut = {"bos": (fills["bos"][0], 0.8 * fills["bos"][0])} | ({"mean": edges} if edges else {})
    for method, drops in cut.items():
        for name, drop in zip(("all", "previous"), drops, strict=True):
            names = {"head": HEAD, "table": "task edges", "task": task, "edges": name, "method": method}
            detail = {"shows": str(name == "previous" and shows == method), "top_sources": "x (other) 0.90"}
            found.append(number(names | {"quantity": "drop"}, drop, 0.01, **detail))
    return found


SMALL = (0.01, 0.005, 0.0, 0.0)
NO = {"bos": SMALL, "zero": SMALL}
MANY_FIRST_CHOICES = {"bos": (0.01, 0.005, 0.12, 0.08), "zero": SMALL}
ANOTHER_FILL = {"bos": SMALL, "resample": (0.07, 0.01, 0.0, 0.0)}
WIDE = {"bos": (0.03, 0.01, 0.04, 0.04)}
NO_INTERVAL = {"bos": (0.01, None, 0.0, 0.0)}
MUCH = {"bos": (0.2, 0.01, 0.3, 0.1)}
RAISED = {"bos": (-0.1, 0.01, -0.26, 0.1)}
RAISED_BY_ANOTHER = {"bos": SMALL, "zero": (-0.1, 0.01, 0.0, 0.0)}
UNSURE = {"bos": (0.06, 0.1, 0.0, 0.0)}


@pytest.mark.parametrize(
    ("fills", "grade"),
    [
        (NO, Grade.NO),
        (MANY_FIRST_CHOICES, Grade.BY_SOME),
        (ANOTHER_FILL, Grade.BY_SOME),
        (RAISED_BY_ANOTHER, Grade.BY_SOME),
        (WIDE, Grade.LITTLE),
        (NO_INTERVAL, Grade.LITTLE),
        (UNSURE, Grade.LITTLE),
        (MUCH, Grade.YES),
        (RAISED, Grade.RAISED),
    ],
)
def test_a_task_is_free_of_the_head_only_if_no_fill_and_no_first_choice_says_otherwise(fills, grade):
    numbers = Numbers(ablated("one", **fills))
    assert tasks.grade(tasks.losses(numbers, HEAD, "one")) is grade
    assert ("not depend" in tasks.of_tasks(numbers, HEAD, ["one"])) == (grade is Grade.NO)
    assert f"*one*: {grade} (" in tasks.in_short(numbers, HEAD, ["one"])
    assert f"| {grade} " in tables.tasks_table(numbers, HEAD, ["one"])


def test_in_short_a_task_that_depends_by_some_fills_has_the_largest_drop_and_its_fill():
    said = tasks.in_short(Numbers(ablated("one", **ANOTHER_FILL)), HEAD, ["one"])
    assert "(1.0\u00a0pp [0.5, 1.5] by BOS, 7.0\u00a0pp [6.0, 8.0] by another text's row)" in said
    said = tasks.in_short(Numbers(ablated("one", **MANY_FIRST_CHOICES)), HEAD, ["one"])
    assert "by BOS, 12.0\u00a0pp [4.0, 20.0] of the first choices by BOS)" in said


def test_the_mean_output_counts_as_a_fill():
    numbers = Numbers(ablated("one", **NO, edges=(0.09, 0.08)))
    assert tasks.grade(tasks.losses(numbers, HEAD, "one")) is Grade.BY_SOME
    assert "by the head's mean output it takes 9.0" in tasks.of_tasks(numbers, HEAD, ["one"])


def test_without_an_ablation_nothing_is_said_of_a_task():
    assert (
        tasks.of_tasks(Numbers([]), HEAD, ["a_b"])
        == "Whether the task *a b* depends on the head was not measured."
    )
    assert tasks.in_short(Numbers([]), HEAD, []) == ""


def test_tasks_that_do_not_depend_say_by_which_fills_that_is_known():
    assert tasks.of_tasks(Numbers(ablated("one", **NO)), HEAD, ["one"]) == (
        "The task *one* does not depend on the head: by BOS and no attention ablating it surely changes the "
        "answer's probability, and the first choices where they were counted, by less than 5.0\u00a0pp (the "
        "drop of the former by BOS: 1.0\u00a0pp [0.5, 1.5])."
    )


def test_what_depends_by_some_fills_names_the_fill_of_every_number():
    text = tasks.of_tasks(Numbers(ablated("one", **ANOTHER_FILL)), HEAD, ["one"])
    assert text == (
        "The task *one* depends little on the head where BOS takes its row's place: ablating it takes "
        "1.0\u00a0pp [0.5, 1.5] of the answer's probability and nothing of the first choices; by another "
        "text's row it takes 7.0\u00a0pp [6.0, 8.0] of the answer's probability and nothing of the first "
        "choices."
    )
    text = tasks.of_tasks(Numbers(ablated("one", **MANY_FIRST_CHOICES)), HEAD, ["one"])
    assert text.startswith(
        "How far the task *one* depends on the head hangs on what takes its row's place: by BOS,"
    )
    assert "by no attention" not in text, "a fill that takes little is not named"


def test_what_little_is_known_says_what_cannot_be_excluded():
    text = tasks.of_tasks(Numbers(ablated("one", **WIDE)), HEAD, ["one"])
    assert text == (
        "The task *one* depends little, if at all, on the head: ablating it by BOS takes 3.0\u00a0pp [2.0, "
        "4.0] of the answer's probability. That it is 5.0\u00a0pp or more cannot be excluded: by BOS it "
        "takes 4.0\u00a0pp [0.0, 8.0] of the first choices."
    )


def test_a_task_shows_a_behaviour_only_where_the_rule_says_so():
    numbers = Numbers(
        [*ablated("one", **MUCH, shows="bos"), *ablated("two", bos=(0.1, 0.01, 0.1, 0.1), shows="bos")]
    )
    said = (
        "The tasks *one* and *two* show *previous* through this head: with BOS in their place, cutting these "
        "edges alone takes 16.0\u00a0pp and 8.0\u00a0pp of the answer's probability, ablating whole rows "
        "20.0\u00a0pp and 10.0\u00a0pp."
    )
    assert tasks.in_short(numbers, HEAD, ["one", "two"]) == said
    assert tasks.of_tasks(numbers, HEAD, ["one", "two"]) == said


def test_a_behaviour_that_a_task_shows_by_the_mean_output_alone_is_said_with_that_fill():
    numbers = Numbers(ablated("one", **MUCH, edges=(0.09, 0.08), shows="mean"))
    assert tasks.of_tasks(numbers, HEAD, ["one"]).endswith(
        "it attends to x (other) 0.90. With the head's mean output in their place it shows *previous*: "
        "cutting these edges alone takes 8.0\u00a0pp of the 9.0\u00a0pp."
    )
    assert "with the head's mean output in their place it shows *previous*)" in tasks.in_short(
        numbers, HEAD, ["one"]
    )


def test_a_task_that_depends_on_no_named_behaviour_says_what_is_attended_to():
    text = tasks.of_tasks(Numbers(ablated("one", **MUCH)), HEAD, ["one"])
    assert text.startswith("The task *one* depends on the head (20.0\u00a0pp (95\u00a0% interval")
    assert text.endswith(
        "but by this fill on no behaviour that has a name here; it attends to x (other) 0.90."
    )


def test_a_task_that_is_done_better_without_the_head_is_said_so_without_a_minus():
    text = tasks.of_tasks(Numbers(ablated("one", **RAISED)), HEAD, ["one"])
    assert text == (
        "The task *one* is done better without the head: ablating it by BOS adds 10.0\u00a0pp [9.0, 11.0] "
        "to the answer's probability and 26.0\u00a0pp [16.0, 36.0] to the first choices."
    )


def test_a_task_that_the_model_does_badly_says_what_ablating_changes_all_the_same():
    numbers = Numbers(
        [
            *ablated("one", **NO),
            *ablated("two", clean=0.79, **RAISED),
            *ablated("three", clean=0.5, **NO),
            *ablated("four", clean=0.5, bos=(0.0, 0.01, 0.0, 0.0)),
        ]
    )
    short = tasks.in_short(numbers, HEAD, ["one", "two", "three", "four"])
    assert "*one*: no (1.0" in short
    assert short.endswith(
        "for them; yet ablating it by BOS changes the answer's probability: 10.0\u00a0pp [9.0, 11.0] gained "
        "in *two* and 1.0\u00a0pp [0.5, 1.5] lost in *three*."
    )
    assert tasks.unread_reading(numbers, HEAD, ["two", "three", "four"]) == (
        "The model does the tasks *two*, *three* and *four* badly (the answer is the first choice in fewer "
        "than 80.0\u00a0% of the clean runs), which says little about whether the head is needed for them. "
        "Yet ablating the head by BOS changes the answer: it adds 10.0\u00a0pp [9.0, 11.0] to the answer's "
        "probability and 26.0\u00a0pp [16.0, 36.0] to the first choices in *two*; takes 1.0\u00a0pp [0.5, "
        "1.5] of the answer's probability and nothing of the first choices in *three*."
    )
    lines = tables.unread_table(numbers, HEAD, {"two": "post", "four": ""}).splitlines()
    (line,) = (line for line in lines if line.startswith("| two"))
    assert [cell.strip() for cell in line.strip("|").split("|")][3:] == [
        f"79.0{NBSP}%",
        f"105.0{NBSP}%",
        f"50.0{NBSP}%",
        f"60.0{NBSP}%",
        f"−10.0{NBSP}pp [−11.0, −9.0]",
    ]


def test_of_tasks_that_the_model_does_badly_nothing_is_said_to_change_that_may_not():
    text = tasks.unread_reading(Numbers(ablated("one", clean=0.1, bos=(0.0, 0.01, 0.0, 0.0))), HEAD, ["one"])
    assert text.endswith("whether the head is needed for it.")


def test_a_drop_below_zero_is_turned_with_its_interval():
    turned = flipped(number({"a": "b"}, -0.004, 0.001))
    assert turned.brief == f"0.4{NBSP}pp [0.3, 0.5]"
    assert flipped(number({"a": "b"}, -0.004, None)).brief == f"0.4{NBSP}pp"
