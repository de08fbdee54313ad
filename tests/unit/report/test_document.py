import re
from dataclasses import fields, replace

import pytest
from jinja2 import meta, nodes
from report_study import (
    HEAD,
    SOURCES,
    build,
    built,
    change_number,
    section_of,
    table_of,
    words_of,
    write_study,
)

from polyhead.errors import PolyheadError
from polyhead.files import read_json
from polyhead.report import contexts
from polyhead.report import sentences as prose
from polyhead.report.derived import labels_apart
from polyhead.report.document import NAMES, environment, filled
from polyhead.report.facts import Study, TaskFacts
from polyhead.report.markdown import code, escape, listing, table
from polyhead.report.numbers import Number, Numbers, read_numbers
from polyhead.report.published import Verdict, compare, read_published, stand_ins, verdict_on
from polyhead.style import empty_figure, save_svg, style

ALLOWED = re.compile(r"Section [12]\b|SHA-256")
NOT_PROSE = [
    re.compile(r"\A---\n.*?\n---\n", re.DOTALL),  # front matter; its title is checked below
    re.compile(r"\{#[^}]*\}", re.DOTALL),
    re.compile(r"@[\w-]+"),
]


def share(behaviour, value, margin=0.01, token="all"):
    about = {
        "head": HEAD,
        "table": "distribution",
        "taxonomy": "post",
        "token": token,
        "label": behaviour,
    }
    return Number(about, value, "percent", "distribution.csv", 100, value - margin, value + margin)


def literal_numbers(text):
    """The digits that a template prints of its own: in its text, in the strings of its tags, as numbers."""
    tree = environment(SOURCES).parse(text)
    text = " ".join(data.data for data in tree.find_all(nodes.TemplateData))
    for pattern in NOT_PROSE:
        text = pattern.sub(" ", text)
    places = (nodes.Getitem, nodes.Compare)
    indices = {id(c) for place in tree.find_all(places) for c in place.find_all(nodes.Const)}
    values = [c.value for c in tree.find_all(nodes.Const) if isinstance(c.value, str) or id(c) not in indices]
    return re.findall(r"\S*\d\S*", " ".join([ALLOWED.sub(" ", text), *map(str, values)]))


TEMPLATES = pytest.mark.parametrize("path", sorted(SOURCES.glob("*.qmd")), ids=lambda path: path.name)


@TEMPLATES
def test_no_number_stands_in_the_source(path):
    assert literal_numbers(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is << n(key)[0] >>, or 41.2 %. ![A 3](x.svg){#fig-x2}", ["41.2", "3](x.svg)"]),
        ('<% call figure("a", "Bars: 7 of them.") %>\n| a | 0.5 |\n<% endcall %>', ["0.5", "7"]),
        ('<< 41.2 >> << "9" ~ x >><% if a > 1 %><# 8 #>{#sec-<< 5 >>}<% endif %>', ["9", "41.2", "5"]),
    ],
)
def test_a_number_in_the_source_would_be_found(text, found):
    assert sorted(literal_numbers(text)) == sorted(found)


def test_the_title_has_no_number_of_its_own():
    title = re.search(r"^title: .*$", (SOURCES / "index.qmd").read_text(encoding="utf-8"), re.MULTILINE)
    assert literal_numbers(title[0]) == []


GIVEN = {"study", "numbers", "head", "taxonomy", "has", "n", "renderer"}
WRITTEN = {"figure", "example_row", "bullets", "some_prompts", "task", "caller", "positions", "in_last_layer"}


@TEMPLATES
def test_every_name_in_a_template_is_one_that_is_given(path):
    tree = environment(SOURCES).parse(path.read_text(encoding="utf-8"))
    assert meta.find_undeclared_variables(tree) <= GIVEN | WRITTEN | NAMES.keys()
    known = {name: dir(module) for name, module in NAMES.items()}
    known["study"] = [*dir(Study), *(field.name for field in fields(Study))]
    of_names = [each for each in tree.find_all(nodes.Getattr) if isinstance(each.node, nodes.Name)]
    for each in of_names:
        assert each.attr in known.get(each.node.name, [each.attr]), f"{each.node.name}.{each.attr}"


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("one\n\n<< n('config/sede') >>", "index.qmd, line 3: the study has no number 'config/sede'"),
        ("<< nmae >>", "index.qmd, line 1: 'nmae' is undefined"),
        ("a\n<< verdict.titel(numbers) >>", "index.qmd, line 2: "),
        ("<< head | boldly >>", "index.qmd, line 1: No filter named 'boldly'"),
        ("\n<% include '_none.qmd' %>", "index.qmd, line 2: '_none.qmd' not found"),
        ("<% include '_part.qmd' %>", "_part.qmd, line 2: 'nothing' is undefined"),
        ("<% if head %>", "index.qmd, line 1: Unexpected end of template"),
    ],
)
def test_what_a_template_does_not_know_is_named_with_its_place(tmp_path, text, culprit):
    (tmp_path / "index.qmd").write_text(text, encoding="utf-8")
    (tmp_path / "_part.qmd").write_text("a\n<% if nothing %>b<% endif %>", encoding="utf-8")
    names = {"n": Numbers([]).get, "head": HEAD, "numbers": Numbers([])}
    with pytest.raises(PolyheadError) as error:
        filled(environment(tmp_path), names)
    assert f"report: {culprit}" in str(error.value)


def test_what_other_programs_read_is_left_alone_by_the_templates(tmp_path):
    text = "# A {#sec-a .b}\n\n{{< var x >}} ${{ y }}$ `{%` [c]{.d} @e #f <https://g.org> a < b > c\n"
    (tmp_path / "index.qmd").write_text(text, encoding="utf-8")
    assert filled(environment(tmp_path), {}) == text


@pytest.mark.parametrize(("head", "last"), [("1.4", False), ("3.3", True)])
def test_a_head_of_the_last_layer_is_said_to_reach_no_other_position(tmp_path, head, last):
    numbers = read_numbers(write_study(tmp_path, head=[head]) / "numbers.json")
    reading = prose.elsewhere_reading(numbers, head, "induction", "bos")
    assert reading
    assert ("last layer" in reading) == last


def test_the_most_common_behaviour_is_named_from_the_result():
    numbers = Numbers([share("inactive", 0.3), share("previous", 0.6), share("unknown", 0.1)])
    sentence = prose.most_common(numbers, HEAD, "post")
    assert sentence.startswith("Across all rows, *previous* is the most common behaviour (60.0")
    numbers = Numbers([share("inactive", 0.7), share("previous", 0.3)])
    assert "*inactive* is the most common" in prose.most_common(numbers, HEAD, "post")


def test_unknown_is_never_called_a_behaviour():
    numbers = Numbers([share("unknown", 0.7), share("previous", 0.3)])
    assert prose.most_common(numbers, HEAD, "post").startswith("Most rows fit no label: *unknown*")


def test_both_rules_are_named_where_their_shares_first_differ():
    shares = [share("unknown", 0.7), share("previous", 0.3)]
    threshold = Number({"part": "config", "quantity": "threshold"}, 0.95, "setting", "provenance.json")
    verdict = Number({"table": "verdict", "of": HEAD, "quantity": "rest"}, 0.1, "percent", "verdicts.csv")
    said = prose.by_the_labels(Numbers([*shares, threshold, verdict]), HEAD, "post")
    assert said.startswith(
        "By the post's stricter rule, a label needs 95.0\u00a0% of a row's attention, not half of it as "
        "above: most rows fit no label: *unknown*"
    )
    assert "as above" not in prose.by_the_labels(Numbers([*shares, threshold]), HEAD, "post")
    low = replace(threshold, value=0.4)
    assert prose.by_the_labels(Numbers([*shares, low]), HEAD, "post").startswith("By the post's rule")
    assert prose.by_the_labels(Numbers(shares), HEAD, "post").startswith("Most rows fit no label")


def test_an_order_that_is_not_certain_is_called_so():
    numbers = Numbers([share("inactive", 0.49, 0.05), share("previous", 0.51, 0.05)])
    assert "too close" in prose.most_common(numbers, HEAD, "post")


@pytest.mark.parametrize(
    ("here", "elsewhere", "words"),
    [
        (0.190, 0.020, "At every other position the ablation costs little"),
        (0.028, 0.047, "The ablation costs little at any position"),
        (0.300, 0.200, "The ablation costs most at the destination"),
        (0.010, 0.200, "The largest drop is not at the destination"),
    ],
)
def test_where_an_ablation_costs_most_is_said_for_every_outcome(here, elsewhere, words):
    about = {"head": HEAD, "table": "drop", "task": "induction", "method": "bos"}
    drops = [
        Number(about | {"quantity": name}, value, "points", "file.csv", detail={"token": "(", "role": name})
        for name, value in (("destination", here), ("elsewhere", elsewhere))
    ]
    assert prose.elsewhere_reading(Numbers(drops), HEAD, "induction", "bos").startswith(words)


@pytest.mark.parametrize(("gain", "said"), [(0.037, True), (0.02, False), (-0.01, False)])
def test_a_gain_elsewhere_is_told_where_it_is_more_than_any_drop(gain, said):
    about = {"head": HEAD, "table": "drop", "task": "induction", "method": "bos"}
    tables = {"destination": ("drop", 0.015), "elsewhere": ("drop", 0.025), "": ("gain", gain)}
    numbers = Numbers(
        Number(about | {"table": t, "quantity": q}, v, "points", "file.csv", detail={"token": "("})
        for q, (t, v) in tables.items()
    )
    text = prose.elsewhere_reading(numbers, HEAD, "induction", "bos")
    assert ("At `(` the probability rises instead, by 3.7\u00a0pp." in text) == said


def test_a_drop_below_zero_is_called_a_gain():
    about = {"head": HEAD, "table": "drop", "task": "a", "method": "bos"}
    drops = [
        Number(about | {"quantity": name}, value, "points", "file.csv", detail={"token": "(", "role": name})
        for name, value in (("destination", -0.004), ("elsewhere", 0.002))
    ]
    said = prose.elsewhere_reading(Numbers(drops), HEAD, "a", "bos")
    assert ": 0.4\u00a0pp gained at the destination, and elsewhere at most 0.2\u00a0pp" in said
    assert prose.changes(drops[0]) == "adds 0.4\u00a0pp to the answer's probability"


def test_of_too_few_rows_nothing_is_said():
    alone = [replace(share(name, 0.5), low=None, high=None) for name in ("previous", "unknown")]
    assert prose.most_common(Numbers(alone), HEAD, "post") == prose.TOO_FEW
    assert prose.unclassified(Numbers(alone), HEAD, "post") == ""


def test_intervals_by_package_stand_beside_those_by_document():
    by_document = share("previous", 0.4, 0.01), share("unknown", 0.6, 0.01)
    assert prose.packages_reading(Numbers(by_document), HEAD, "post") == ""
    by_package = [
        replace(share(n.about["label"], n.value, 0.05), about=n.about | {"table": "distribution by package"})
        for n in by_document
    ]
    assert prose.packages_reading(Numbers([*by_document, *by_package]), HEAD, "post").endswith(
        "the interval of the share of *unknown*, 60.0\u00a0%, is 55.0\u00a0% to 65.0\u00a0% instead of "
        "59.0\u00a0% to 61.0\u00a0%."
    )


@pytest.mark.parametrize(
    ("value", "words"), [(0.6, "A large part"), (0.1, "Part of"), (0.01, "Only a small part")]
)
def test_how_much_is_unknown(value, words):
    assert prose.unclassified(Numbers([share("unknown", value)]), HEAD, "post").startswith(words)


def test_nothing_unknown():
    assert "none" in prose.unclassified(Numbers([share("previous", 1.0)]), HEAD, "post")


def test_a_task_the_model_cannot_do_is_shown_in_a_table_and_not_read(tmp_path):
    folder = built(tmp_path)
    numbers = read_numbers(tmp_path / "numbers.json")
    assert "falls from 0.280" in prose.task_reading(numbers, HEAD, "induction", "bos")
    page = words_of(folder)
    assert "{#sec-task-induction}" in page
    assert "{#sec-task-previous}" not in page
    assert "Every template of this study was run." in page
    assert "| previous" in table_of(folder, "unread")
    assert "first choice in fewer than 80.0" in page
    assert "previous" not in section_of(folder, "controls")
    assert "induction" in section_of(folder, "controls")


def test_without_a_task_that_is_read_there_are_no_controls(tmp_path):
    page = words_of(built(tmp_path, tasks=("previous",)))
    assert "{#sec-controls}" not in page
    assert "{#sec-tasks}" in page
    assert "{#sec-task-" not in page.replace("{#sec-task-edges}", "")
    assert "{#sec-unread}" in page


def test_every_task_that_is_read_is_a_line_of_one_table(tmp_path):
    table_ = table_of(built(tmp_path), "tasks")
    (line,) = (line for line in table_.splitlines() if line.startswith("| induction"))
    cells = [cell.strip().replace("\u00a0", " ") for cell in line.strip("|").split("|")]
    assert cells[1:6] == ["93.0 %", "25.0 %", "0.280", "0.090", "19.0 pp [18.0, 20.0]"]
    assert "| previous" not in table_


def test_an_example_of_each_label_stands_in_the_main_text_and_the_others_on_screen(tmp_path):
    folder = built(tmp_path)
    main, _, more = words_of(folder).partition("{#sec-examples}")
    shown, others = (set(re.findall(r"#fig-example-(\d+)", text)) for text in (main, more))
    assert shown
    assert not shown & others
    examples = read_json(folder.parent / "heads" / HEAD / "examples.json")
    assert {examples[int(k)]["label"] for k in shown} == {example["label"] for example in examples}
    assert len(shown | others) == len(examples)
    assert "most attention goes to" in main


def task_facts(**behaviours):
    return {name: TaskFacts(name, "", (behaviour,)) for name, behaviour in behaviours.items()}


def test_the_main_text_has_a_task_of_each_behaviour_and_few_in_all(tmp_path):
    study = Study(tmp_path, {}, task_facts(a="x", b="x", c="x", d="x", e="y", f="z"))
    study.__dict__["read"] = ["a", "b", "c", "d", "e", "f"]
    assert study.main_tasks == ["a", "e", "f"]
    study.__dict__.pop("main_tasks")
    study.__dict__["read"] = ["f", "b"]
    assert study.main_tasks == ["f", "b"]


def test_the_main_text_has_two_examples_of_each_behaviour(tmp_path):
    study = Study(tmp_path, {}, {})
    labels = ["unknown", "unknown", "previous", "inactive", "previous", "inactive", "previous"]
    study.__dict__["examples"] = {k: {"label": label} for k, label in enumerate(labels)}
    assert list(study.first_examples) == [2, 4, 3, 0]
    assert list(study.more_examples) == [1, 5, 6]


def test_six_published_numbers_stand_before_all_of_them(tmp_path):
    folder = built(tmp_path)
    few, every = (table_of(folder, name) for name in ("short", "published"))
    lines = [re.findall(r"^\| (?!:-).*$", text, re.MULTILINE) for text in (few, every)]
    assert len(lines[0]) == 1 + 6
    assert set(lines[0][1:]) < set(lines[1])


def test_the_drop_and_its_interval_stand_in_the_tables_of_the_tasks(tmp_path):
    table = table_of(built(tmp_path), "task-induction")
    assert "fewer first choices" in table
    assert "68.0\u00a0pp [67.0, 69.0]" in table
    assert "19.0\u00a0pp [18.0, 20.0]" in table


def test_it_is_said_where_templates_are_from():
    of_each = {"induction": "post", "mine": "user", "previous": "post", "a_b": "model", "old": ""}
    assert prose.origins(of_each) == (
        "Of the templates, *induction* and *previous* were reconstructed from the post's text, which shows "
        "its own as pictures only; *a b* was written after looking at what the reference model can do; "
        "*mine* was written for this study."
    )
    assert prose.origins({"old": ""}) == ""


def test_every_template_of_the_file_says_where_it_is_from():
    from polyhead.prompts.templates import read_templates

    templates = read_templates(SOURCES.parent / "config" / "templates.yaml").templates
    assert [t.origin for t in templates.values()] == ["post"] * 3 + ["model"] * 3


def test_contexts_are_read_from_enough_documents_only(tmp_path):
    numbers = read_numbers(write_study(tmp_path) / "numbers.json")
    text = contexts.reading(numbers, HEAD)
    assert "Where *previous* dominates (100 places from 33 documents)" in text
    assert "whole row takes 2.0\u00a0pp" in text
    assert "cutting the edges of *previous* alone makes no measurable difference (−0.1\u00a0pp" in text
    assert "cutting the edges of *induction* alone takes 19.0\u00a0pp" in text
    assert "For *indent* and *duplicate* there are too few documents" in text
    assert "by construction" not in text


def test_a_row_that_costs_nothing_measurable_is_said_so(tmp_path):
    write_study(tmp_path)
    change_number(tmp_path, f"{HEAD}/contexts/induction/ablated/mean/all/drop", value=0.0, low=-0.1, high=0.1)
    text = contexts.reading(read_numbers(tmp_path / "numbers.json"), HEAD)
    assert text.count("whole row makes no measurable difference") == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.02, "takes 2.0\u00a0pp [1.0, 3.0] of the next token's"),
        (0.005, "makes no measurable difference where *induction* dominates (0.5\u00a0pp"),
        (-0.02, "adds 2.0\u00a0pp [1.0, 3.0] to the next token's"),
    ],
)
def test_what_is_not_surely_a_cost_is_not_called_one_in_short_either(tmp_path, value, said):
    write_study(tmp_path)
    key = f"{HEAD}/contexts/induction/ablated/mean/all/drop"
    change_number(tmp_path, key, value=value, low=value - 0.01, high=value + 0.01, text="")
    assert said in contexts.in_short(read_numbers(tmp_path / "numbers.json"), HEAD)


def test_contexts_in_short_leave_out_what_is_from_too_few_documents(tmp_path):
    numbers = read_numbers(write_study(tmp_path) / "numbers.json")
    text = contexts.in_short(numbers, HEAD)
    assert text.startswith(
        "In places of real text found by rule, ablating the head's row, with the head's mean output "
        "instead, takes "
    )
    assert "where *induction* dominates" in text
    assert "*duplicate*" not in text
    assert text.endswith("there an ablation can lose first choices, but win none.")
    assert contexts.in_short(Numbers([]), HEAD) == ""


def test_contexts_of_a_head_of_the_last_layer(tmp_path):
    numbers = read_numbers(write_study(tmp_path, head=["3.3"]) / "numbers.json")
    assert "changes nothing by construction" in contexts.reading(numbers, "3.3")


def test_the_table_of_contexts(tmp_path):
    lines = table_of(built(tmp_path), "contexts").splitlines()
    indent, induction = (
        next(line for line in lines if f"*{name}*" in line) for name in ("indent", "induction")
    )
    assert indent.count("–") == 6
    cells = [cell.strip() for cell in induction.split("|")[1:-1]]
    assert cells[1:4] == ["100", "32", "0.800"]
    assert cells[4:8:3] == ["20.0\u00a0pp [19.0, 21.0]", "19.0\u00a0pp [18.0, 20.0]"]
    assert cells[8] == "5.0\u00a0pp"


def test_a_first_choice_that_stays_is_not_called_a_change(tmp_path):
    write_study(tmp_path)
    kept = f"{HEAD}/ablation/induction/bos/ablated/top1"
    change_number(tmp_path, kept, value=0.93, text="93.0\u00a0%")
    sentence = prose.task_reading(read_numbers(tmp_path / "numbers.json"), HEAD, "induction", "bos")
    assert sentence.endswith("and it stays the first choice in 93.0\u00a0% of the prompts.")


@pytest.mark.parametrize("text", ["`", "``a", "a|b", "⏎[·×3]", "\\"])
def test_code_holds_any_token(text):
    import json
    import subprocess

    import pypandoc

    def spans(markdown):
        said = subprocess.run(
            [pypandoc.get_pandoc_path(), "--to=json"],
            input=markdown,
            capture_output=True,
            text=True,
            check=True,
        )
        return re.findall(r'"t": ?"Code", ?"c": ?\[\[.*?\], ?("(?:[^"\\]|\\.)*")\]', said.stdout)

    assert [json.loads(span) for span in spans(code(text))] == [text]
    row = table(["x", "y"], [[code(text), "1"]], "lr", "Caption.", "tbl-x")
    assert [json.loads(span) for span in spans(row)] == [text]


def test_escaped_text_has_no_markup():
    assert escape("a_b *c* [d]") == r"a\_b \*c\* \[d\]"


def test_a_listing_reads_as_a_sentence_does():
    assert [listing(list(names)) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]


def test_a_part_that_was_not_run_is_left_out(tmp_path):
    page = words_of(built(tmp_path, tasks=()))
    sections = re.findall(r"^# .*\{#sec-([\w-]+)", page, re.MULTILINE)
    main = ["studied", "attends", "limits", "appendix"]
    assert sections == [*main, "published", "more-labels", "all-heads", "all-published", "made", "examples"]
    assert "{#sec-task" not in page


def test_a_study_without_section_2_asks_nothing_about_ablation(tmp_path):
    write_study(tmp_path, tasks=())
    build(tmp_path)
    page = words_of(tmp_path / "build")
    assert "ablat" not in page.split("# What the post reports")[0]
    asked = page[page.index("This report asks of head") :]
    wanted = "`resources/reference-model` what it attends to, and in how many of its rows."
    assert " ".join(asked.split()).startswith(f"This report asks of head {HEAD} of {wanted}")


def test_a_study_with_section_2_asks_what_ablation_breaks(tmp_path):
    page = words_of(built(tmp_path))
    assert "what gets worse when it is ablated" in page
    assert page.count("An ablation puts the head into a state") == 1
    assert page.count("Prompts made from templates resemble each other") == 1


def test_another_model_is_never_compared(tmp_path):
    numbers = read_numbers(write_study(tmp_path) / "numbers.json")
    published = read_published(SOURCES / "published.yaml")
    lines = compare(published, numbers, "resources/reference-model", HEAD)
    assert {line.verdict for line in lines} == {Verdict.NOT_COMPARABLE}
    assert len(lines) == len(published["numbers"]) + len(published["orders"])


def test_the_published_model_is_compared(tmp_path):
    numbers = read_numbers(write_study(tmp_path) / "numbers.json")
    published = read_published(SOURCES / "published.yaml")
    lines = compare(published, numbers, published["models"][1], HEAD)
    verdicts = {(line.part, line.what): line.verdict for line in lines}
    assert verdicts["section 1", "order of the behaviours over all rows"] is Verdict.AGREES
    assert verdicts["section 1", "share of *unknown* at `⏎[·×3]`"] is Verdict.AGREES
    assert verdicts["section 1", "prompts"] is Verdict.DIFFERS
    assert verdicts["induction", "first choice, clean"] is Verdict.AGREES
    assert verdicts["induction", "largest drop in probability elsewhere"] is Verdict.AGREES
    assert verdicts["previous", "first choice, clean"] is Verdict.DIFFERS
    assert verdicts["bigger indentation", "first choice, clean"] is Verdict.NOT_COMPARABLE


def test_a_task_of_the_same_kind_stands_beside_the_posts_but_is_never_comparable(tmp_path):
    numbers = read_numbers(write_study(tmp_path) / "numbers.json")
    published = read_published(SOURCES / "published.yaml")
    behaviours = {"induction": ("induction",), "previous": ("indent_bigger",)}
    instead = stand_ins(published, behaviours)
    assert instead == {"bigger_indentation": "previous"}
    for model in ("another", published["models"][0]):
        lines = {(c.part, c.what): c for c in compare(published, numbers, model, HEAD, instead)}
        line = lines["bigger indentation", "first choice, clean"]
        assert line.ours.startswith("30.0")
        assert line.instead == "previous"
        assert line.verdict is Verdict.NOT_COMPARABLE


@pytest.mark.parametrize(
    ("entry", "low", "high", "verdict"),
    [
        ({"value": 0.87, "rounding": 0.005}, 0.85, 0.86, Verdict.DIFFERS),
        ({"value": 0.87, "rounding": 0.005}, 0.85, 0.866, Verdict.AGREES),
        ({"value": 0.87, "rounding": 0.005}, 0.876, 0.9, Verdict.DIFFERS),
        ({"value": 0.05, "rounding": 0, "bound": True}, 0.01, 0.06, Verdict.AGREES),
        ({"value": 0.05, "rounding": 0, "bound": True}, 0.06, 0.08, Verdict.DIFFERS),
    ],
)
def test_a_verdict_allows_for_rounding_and_for_the_interval(entry, low, high, verdict):
    ours = Number({"x": "y"}, (low + high) / 2, "percent", "table.csv", 9, low, high)
    assert verdict_on(entry, ours) is verdict


def test_every_published_number_is_one_this_project_can_measure(tmp_path):
    from polyhead.prompts.templates import read_templates

    tasks = set(read_templates(SOURCES.parent / "config" / "templates.yaml").templates)
    named = {
        entry["key"].split("/")[2]
        for entry in read_published(SOURCES / "published.yaml")["numbers"]
        if "/ablation/" in entry["key"] or "/drop/" in entry["key"]
    }
    assert named <= tasks


def test_the_reference_study_is_never_called_the_published_one(tmp_path):
    text = words_of(built(tmp_path))
    assert "which is *not* the model of the post" in text
    assert "The reference study" in text
    assert "The published study" not in text


@pytest.mark.parametrize(
    ("corpus", "model", "said"),
    [
        ({"path": "resources/corpus"}, "resources/reference-model", "Prompts of the training distribution"),
        ({"path": "../a/resources/corpus"}, "../a/resources/reference-model", "Prompts of the training"),
        ({"path": "mine/corpus"}, "resources/reference-model", "may be of another kind"),
        ({"path": "resources/corpus"}, "mine/other-model", "may be of another kind"),
        ({"path": "resources/corpus", "repo": "x/y"}, "resources/reference-model", "may be of another kind"),
        ({"path": "resources/corpus", "of_training": False}, "resources/reference-model", "of another kind"),
        ({"path": "mine", "of_training": True}, "mine/other-model", "Prompts of the training distribution"),
    ],
)
def test_prompts_are_called_those_of_the_training_only_where_they_are(tmp_path, corpus, model, said):
    text = " ".join(words_of(built(tmp_path, corpus={"split": "held_out", **corpus}, model=model)).split())
    assert said in text
    known = "training distribution" in said or said.endswith("training")
    assert ("training distribution" in text) == known
    assert ("finds them in the study's prompts" in text) != known


def test_a_head_is_placed_among_all_heads(tmp_path):
    numbers = read_numbers(write_study(tmp_path) / "numbers.json")
    assert prose.mixed(numbers, HEAD, "post").startswith(
        "Of the model's 2 heads, its labels are the most evenly"
    )
    assert "ablating head 2.0 costs most" in prose.control_reading(numbers, HEAD, "induction")
    assert "head 1.4 is number 2" in prose.control_reading(numbers, HEAD, "induction")


def test_real_text_says_where_the_head_is_worth_most(tmp_path):
    numbers = read_numbers(write_study(tmp_path) / "numbers.json")
    sentence = prose.real_text_reading(numbers, HEAD, "post")
    assert sentence.startswith("On average the ablation lowers the next token's log probability")
    assert "costs most where the head is *unknown*" in sentence


def test_a_fetched_model_is_named_by_its_repository(tmp_path):
    write_study(tmp_path, model="results/made-up/model")
    (tmp_path / "model" / "source.json").write_text('{"repo": "NeelNanda/Attn_Only_4L512W_C4_Code"}')
    build(tmp_path)
    assert "This is the study of the published head" in words_of(tmp_path / "build")
    assert "| agrees |" in table_of(tmp_path / "build", "short")


def test_code_and_prose_are_told_apart_only_where_their_intervals_do_not_meet(tmp_path):
    numbers = read_numbers(write_study(tmp_path) / "numbers.json")
    sentence = prose.source_types_reading(numbers, HEAD, "post")
    assert sentence.startswith("The shares in code and in prose differ most for *previous*: 50.0")


def test_what_is_in_unknown_is_said(tmp_path):
    sentence = prose.unknown_reading(read_numbers(write_study(tmp_path) / "numbers.json"), HEAD)
    assert "*indent_bigger* (60.0" in sentence
    assert sentence.endswith("; 40.0\u00a0% of all rows that the post's labels leave *unknown* stay so.")


@pytest.mark.parametrize(
    ("methods", "words"), [(["bos"], "BOS alone"), (["mean", "zero"], "mean of all.*; or by nothing")]
)
def test_the_text_tells_of_the_ablation_that_was_run(methods, words):
    assert re.search(words, prose.ablation_method(methods))
    assert ("BOS" in prose.ablation_method(methods)) == ("bos" in methods)


def test_labels_that_a_lower_precision_changes_are_told(tmp_path):
    numbers = read_numbers(write_study(tmp_path / "study") / "numbers.json")
    said = prose.precision_reading(numbers, HEAD, "float32")
    assert "ran in float32. Run in bfloat16 and in float32 on the same prompts (500 rows)" in said
    assert "7.6\u00a0% of the rows by the *post* definitions" in said
    assert prose.precision_reading(numbers, "0.0", "float32") == ""


def test_alternative_texts_say_what_the_figures_say(tmp_path):
    write_study(tmp_path)
    says = 'Ablating "it" costs 5 pp'
    figure = f'<svg xmlns="http://www.w3.org/2000/svg"><desc>{says}</desc></svg>'
    for name in ("ablation_induction", "distribution_post"):
        (tmp_path / "heads" / HEAD / "figures" / f"{name}.svg").write_text(figure, encoding="utf-8")
    build(tmp_path)
    words = words_of(tmp_path / "build")
    assert """by ablated position. Ablating 'it' costs 5 pp."}""" in words
    assert """by destination token. Ablating 'it' costs 5 pp."}""" in words


@pytest.mark.parametrize(
    ("least", "most", "labels", "words"),
    [
        (0.6, 0.99, ("previous", "unknown"), "The destination token does not determine the behaviour"),
        (0.6, 0.99, ("unknown", "unknown"), "Shares differ by destination token, but the same label leads"),
        (0.95, 0.99, ("unknown", "unknown"), "The destination token all but determines the behaviour"),
    ],
)
def test_tokens_of_the_same_leading_label_do_not_show_that_it_depends_on_more(least, most, labels, words):
    extremes = zip(("least", "most"), (least, most), labels, ("(", ")"), strict=True)
    numbers = Numbers(
        Number(
            {"head": HEAD, "table": "tokens", "quantity": name},
            value,
            "percent",
            "distribution.csv",
            detail={"token": token, "label": label},
        )
        for name, value, label, token in extremes
    )
    assert prose.tokens_decide(numbers, HEAD).startswith(words)


def test_no_more_labels_are_listed_than_are_common():
    extended = [
        replace(n, about=n.about | {"taxonomy": "extended"})
        for n in (share("unknown", 0.9), share("previous", 0.07), share("bos", 0.02), share("eos", 0.006))
    ]
    about = {"head": HEAD, "table": "tokens"}
    counts = [
        Number(about | {"quantity": name}, value, unit, "distribution.csv")
        for name, value, unit in (("common behaviours", 2, "index"), ("common", 0.01, "percent"))
    ]
    said = prose.many_behaviours(Numbers([*extended, *counts]), HEAD)
    assert said.endswith("the largest are *previous* (7.0\u00a0%) and *bos* (2.0\u00a0%).")


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        ("", "than 2.0\u00a0pp (percentage points)."),
        ("previous", "(percentage points), though surely that of *previous* does (intervals apart)."),
    ],
)
def test_alike_is_not_the_same(apart, words):
    about = {"head": HEAD, "table": "tokens", "quantity": "difference"}
    number = Number(about, 0.02, "points", "distribution.csv", detail={"apart": apart})
    assert prose.alike_tokens(Numbers([number]), HEAD).endswith(words)


def test_labels_are_apart_whose_intervals_do_not_meet():
    shares = [
        replace(share(label, value, 0.01), about=share(label, value).about | {"token": token})
        for token, of_token in {"a": (0.3, 0.7), "b": (0.305, 0.6)}.items()
        for label, value in zip(("previous", "unknown"), of_token, strict=True)
    ]
    assert labels_apart(Numbers(shares), HEAD, "post", ("a", "b")) == ["unknown"]


def test_where_there_is_nothing_to_draw_the_reason_stands_in_place_of_the_figure(tmp_path):
    write_study(tmp_path)
    with style():
        save_svg(empty_figure("no row is unknown"), tmp_path / "heads" / HEAD / "figures" / "unknown.svg")
    build(tmp_path)
    source = (tmp_path / "build" / "index.qmd").read_text(encoding="utf-8")
    assert "\nNo row is unknown.\n" in source
    assert "fig-unknown" not in source
