import re

import pytest
from report_study import HEAD, SOURCES, build, built, change_number, write_study

from polyhead import prose
from polyhead.errors import PolyheadError
from polyhead.markdown import code, escape, listing, table
from polyhead.numbers import Number, Numbers, read_numbers
from polyhead.published import Verdict, compare, read_published, stand_ins, verdict_on
from polyhead.report_source import fill_attributes, nested

ALLOWED = re.compile(r"Section [12]\b|SHA-256")
NOT_PROSE = [
    re.compile(r"\A---\n.*?\n---\n", re.DOTALL),  # front matter; its title is checked below
    re.compile(r"\{\{<.*?>\}\}"),
    re.compile(r"\{#[^}]*\}", re.DOTALL),
    re.compile(r"@[\w-]+"),
]


def share(behaviour, value, margin=0.01, token="all"):
    about = {
        "head": HEAD,
        "table": "distribution",
        "taxonomy": "post",
        "token": token,
        "behaviour": behaviour,
    }
    return Number(about, value, "percent", "distribution.csv", 100, value - margin, value + margin)


def literal_numbers(text):
    for pattern in NOT_PROSE:
        text = pattern.sub(" ", text)
    return re.findall(r"\S*\d\S*", ALLOWED.sub(" ", text))


@pytest.mark.parametrize("path", sorted(SOURCES.glob("*.qmd")), ids=lambda path: path.name)
def test_no_number_stands_in_the_source(path):
    assert literal_numbers(path.read_text(encoding="utf-8")) == []


def test_a_number_in_the_source_would_be_found():
    assert literal_numbers("It is {{< var a.b2 >}}, or 41.2 %. ![A 3](x.svg){#fig-x2}\n\n| a | 0.5 |") == [
        "41.2",
        "3](x.svg)",
        "0.5",
    ]


def test_the_title_has_no_number_of_its_own():
    title = re.search(r"^title: .*$", (SOURCES / "index.qmd").read_text(encoding="utf-8"), re.MULTILINE)
    assert literal_numbers(title[0]) == []


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
    assert prose.most_common(numbers, HEAD, "post").startswith(
        "Across all rows, most common is that no behaviour"
    )


def test_an_order_that_is_not_certain_is_called_so():
    numbers = Numbers([share("inactive", 0.49, 0.05), share("previous", 0.51, 0.05)])
    assert "too close" in prose.most_common(numbers, HEAD, "post")


@pytest.mark.parametrize(
    ("value", "words"), [(0.6, "A large part"), (0.1, "Part of"), (0.01, "Only a small part")]
)
def test_how_much_is_unknown(value, words):
    assert prose.unclassified(Numbers([share("unknown", value)]), HEAD, "post").startswith(words)


def test_nothing_unknown():
    assert "none" in prose.unclassified(Numbers([share("previous", 1.0)]), HEAD, "post")


def test_a_task_the_model_cannot_do_is_not_taken_for_one_that_does_not_need_the_head(tmp_path):
    numbers = read_numbers(write_study(tmp_path) / "numbers.json")
    learned, unlearned = (
        prose.task_reading(numbers, HEAD, task, "bos") for task in ("induction", "previous")
    )
    assert "falls from 0.280" in learned
    assert "does not do this task reliably" not in learned
    assert "does not do this task reliably" in unlearned
    assert "no measurable difference" in unlearned


def test_a_first_choice_that_stays_is_not_called_a_change(tmp_path):
    write_study(tmp_path)
    kept = f"{HEAD}/ablation/induction/bos/ablated/top1"
    change_number(tmp_path, kept, value=0.93, text="93.0\u00a0%")
    sentence = prose.task_reading(read_numbers(tmp_path / "numbers.json"), HEAD, "induction", "bos")
    assert sentence.endswith("and it stays the first choice in 93.0\u00a0% of the prompts.")


def test_only_tasks_that_get_worse_are_named(tmp_path):
    numbers = read_numbers(write_study(tmp_path) / "numbers.json")
    sentence = prose.dependence(numbers, HEAD, ["induction", "previous"])
    assert sentence.startswith("Of the tasks that the model does reliably, *induction* gets measurably worse")
    assert prose.dependence(numbers, HEAD, ["induction"]).startswith("Of the tasks, *induction* gets")
    assert prose.dependence(numbers, HEAD, ["previous"]).startswith("The model does none of the tasks")
    assert prose.dependence(numbers, HEAD, []) == ""


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


def test_dotted_names_become_branches():
    assert nested({"a.b": "1", "a.c": "2", "d": "3"}) == {"a": {"b": "1", "c": "2"}, "d": "3"}


def test_a_part_that_was_not_run_is_left_out(tmp_path):
    write_study(tmp_path, tasks=())
    build(tmp_path)
    assert (tmp_path / "build" / "_parts.md").read_text().strip() == "{{< include _all_heads.qmd >}}"
    assert not list((tmp_path / "build").glob("_task_?*.qmd"))


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
    from polyhead.templates import read_templates

    tasks = set(read_templates(SOURCES.parent / "config" / "templates.yaml").templates)
    named = {
        entry["key"].split("/")[2]
        for entry in read_published(SOURCES / "published.yaml")["numbers"]
        if "/ablation/" in entry["key"] or "/drop/" in entry["key"]
    }
    assert named <= tasks


def test_the_reference_study_is_never_called_the_published_one(tmp_path):
    text = "\n".join(path.read_text() for path in built(tmp_path).glob("_variables.yml"))
    assert "which is *not* the model of the post" in text
    assert "The reference study" in text


def test_a_head_is_placed_among_all_heads(tmp_path):
    numbers = read_numbers(write_study(tmp_path) / "numbers.json")
    assert prose.mixed(numbers, HEAD, "post").startswith(
        "Of the model's 2 heads, its labels are the most evenly"
    )
    assert "head 2.0 matters most" in prose.control_reading(numbers, HEAD, "induction")
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
    text = (tmp_path / "build" / "_variables.yml").read_text()
    assert "This is the study of the published head" in text
    assert "| agrees |" in (tmp_path / "build" / "_table_published.md").read_text()


def test_code_and_prose_are_told_apart_only_where_their_intervals_do_not_meet(tmp_path):
    numbers = read_numbers(write_study(tmp_path) / "numbers.json")
    sentence = prose.kinds_reading(numbers, HEAD, "post")
    assert sentence.startswith("The shares in code and in prose differ most for *previous*: 50.0")


def test_what_is_in_unknown_is_said(tmp_path):
    sentence = prose.unknown_reading(read_numbers(write_study(tmp_path) / "numbers.json"), HEAD)
    assert "*indent_bigger* (60.0" in sentence
    assert "40.0\u00a0% of them stay *unknown*" in sentence


def test_variables_are_filled_in_where_quarto_may_not_look():
    front = '---\ntitle: "T {{< var a >}}"\n---\nIn {{< var a >}}. '
    figure = '![C {{< var a >}}](x_{{< var a >}}.svg){#fig-x fig-alt="A {{< var a >}}"}'
    assert fill_attributes(front + figure, {"a": "7"}, "index.qmd") == (
        '---\ntitle: "T 7"\n---\nIn {{< var a >}}. ![C {{< var a >}}](x_7.svg){#fig-x fig-alt="A 7"}'
    )


def test_an_unknown_variable_in_an_attribute_is_named():
    with pytest.raises(PolyheadError, match=r"_a\.qmd: the variable nope is not known"):
        fill_attributes('![C](x.svg){fig-alt="{{< var nope >}}"}', {}, "_a.qmd")


@pytest.mark.parametrize(
    ("kinds", "words"), [(["bos"], "BOS alone"), (["mean", "zero"], "mean of all.*; or by nothing")]
)
def test_the_text_tells_of_the_ablation_that_was_run(kinds, words):
    assert re.search(words, prose.ablation_method(kinds))
    assert ("BOS" in prose.ablation_method(kinds)) == ("bos" in kinds)


def test_labels_that_a_lower_precision_changes_are_told(tmp_path):
    numbers = read_numbers(write_study(tmp_path / "study") / "numbers.json")
    said = prose.precision_reading(numbers, HEAD, "float32")
    assert "ran in float32. Run in bfloat16 and in float32 on the same prompts (500 rows)" in said
    assert "7.6\u00a0% of the rows by the *post* definitions" in said
    assert prose.precision_reading(numbers, "0.0", "float32") == ""
