import base64
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import browser
import numpy as np
import pandas as pd
import pytest
import torch
from decoders import random_model
from report_study import SOURCES

from polyhead.attention.labelled_rows import in_memory
from polyhead.attention.labels import Definitions, label_table, read_atoms
from polyhead.attention.rows import patterns, shard_tables
from polyhead.edges.classes import CLASSES, class_masses
from polyhead.model.attend import register
from polyhead.model.decoders import as_decoder
from polyhead.model.head import Head
from polyhead.model.opening import open_model
from polyhead.prompts.templates import Task
from polyhead.report import explorer
from polyhead.report.explorer import (
    as_script,
    explorer_page,
    explorer_rows,
    nothing_explored,
    sampled_prompts,
    template_prompts,
)
from polyhead.report.explorer_prompt import (
    Asked,
    Piece,
    Shown,
    coded_scores,
    entropy,
    prompt_record,
    usual_parts,
)
from polyhead.report.explorer_sample import Group, rows_of_classes, sample_groups
from polyhead.style import ordered

HEAD = Head(1, 2)
NASTY = '</script><img src="https://example.org/x.png" onerror="document.title=1">'
DEFINITIONS = Definitions(4, 0.6, ["post", "extended"])
needs_browser = pytest.mark.skipif(browser.program() is None, reason=browser.HOW_TO_INSTALL)


def unpack(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def unpacked(steps, multiples):
    step = unpack(steps, "<f4").astype(float)
    return unpack(multiples, "<i2").reshape(-1, len(step)) * step


@pytest.fixture(scope="module")
def asked(model_dir, prompts):
    model, vocabulary = open_model(model_dir)
    mean = np.linspace(-1, 1, 8, dtype=np.float32)
    return Asked(model, vocabulary, HEAD, DEFINITIONS, mean, usual_parts(model, HEAD, prompts, "heads"), 3)


@pytest.fixture(scope="module")
def table(asked, prompts):
    """The study's stored rows of the head."""
    ids = np.arange(len(prompts))
    return shard_tables(asked.model, asked.vocabulary, [HEAD], ids, prompts, DEFINITIONS.window)[0]


@pytest.fixture(scope="module")
def labels(table):
    return label_table(table, DEFINITIONS.taxonomies, DEFINITIONS.threshold)


@pytest.fixture(scope="module")
def task(prompts):
    fields = {"name": "toy", "title": "A toy", "behaviour": ["previous"], "source": 3, "slots": []}
    return Task(
        **fields, destination=20, tokens=prompts[:5, :21].astype(int), answers=prompts[:5, 21].astype(int)
    )


@pytest.fixture(scope="module")
def rows(asked, prompts, task):
    sources = pd.DataFrame({"source": "a file", "source_type": ["code", "prose"] * 3})
    shown = [
        *template_prompts([task]),
        *sampled_prompts(prompts.__getitem__, sources, [(4, 30)], range(6), []),
    ]
    return explorer_rows(asked, iter(shown), [Group("all", "post", "unknown", 1234)], 3.5e6)


def test_a_row_of_every_kind_is_found_near_if_it_can_be(labels, vocabulary):
    shown = ["all", vocabulary.labels[labels["token"].mode()[0]]]
    groups, places = sample_groups(
        in_memory(labels, 37), vocabulary.labels, shown, ["post", "extended"], [2], 3
    )
    indexed = labels.set_index(["prompt", "position"])
    for group, place in zip(groups, places, strict=True):
        of_kind = labels[group.taxonomy] == group.label
        if group.token != "all":
            of_kind &= labels["token"] == vocabulary.labels.index(group.token)
        assert group.total == of_kind.sum()
        assert indexed.loc[place, group.taxonomy] == group.label
        assert (place[0] == 2) == (labels["prompt"][of_kind] == 2).any()


def test_the_row_of_a_kind_does_not_depend_on_the_chunks(labels, vocabulary):
    found = [
        sample_groups(in_memory(labels, size), vocabulary.labels, ["all"], ["post"], [0], 3)
        for size in (1000, 11)
    ]
    assert found[0] == found[1]


def test_the_first_row_of_every_class_that_dominates_is_found(table):
    found = rows_of_classes([table.slice(0, 60), table.slice(60)])
    assert found == rows_of_classes([table])
    masses = pd.DataFrame(class_masses(read_atoms(table)), columns=list(CLASSES))
    masses.index = pd.MultiIndex.from_frame(table.select(["prompt", "position"]).to_pandas())
    masses = masses[masses.index.get_level_values("position") >= 16]
    firsts = {name: of.index[of >= 0.5] for name, of in masses.items()}
    assert found == {name: index[0] for name, index in firsts.items() if len(index)}
    assert found


def test_prompts_with_rows_asked_for_come_first_and_end_there(prompts, monkeypatch):
    monkeypatch.setattr(explorer, "WHOLE_PROMPTS", 2)
    sources = pd.DataFrame({"source": ["a"] * 6, "source_type": ["b"] * 6})
    wanted, drawn, kinds = [(4, 30), (4, 9)], [0, 1, 2], [(5, 20), (1, 7)]
    shown = list(sampled_prompts(prompts.__getitem__, sources, wanted, drawn, kinds))
    assert [(one.name, one.length, one.rows) for one in shown] == [
        ("4", 31, (9, 30)),
        ("0", 48, ()),
        ("1", 48, (7,)),
        ("5", 21, (20,)),
        ("2", 48, ()),
    ]


def test_rows_from_queries_and_keys_are_the_models(asked, prompts):
    model, tokens = asked.model, torch.from_numpy(prompts).long()
    pattern = patterns(model, [HEAD], tokens)[0, 0]
    record = prompt_record(asked, Shown("0", "text", "", "", prompts[0], 48))
    query, key = (sum(unpacked(*piece) for piece in side) for side in record["scores"])
    scores = query @ key.T
    drawn = torch.from_numpy(np.where(np.tri(48), scores, -np.inf)).softmax(-1)
    assert (drawn - pattern).abs().max() < 1e-3
    assert len(record["scores"][0]) == 1
    np.testing.assert_allclose(unpack(record["entropy"], "<u2") / 4000, entropy(pattern), atol=2e-4)


def test_rounded_numbers_are_within_half_a_step_of_their_dimension():
    values = np.array([[0, 3e-6, -5], [0, 1e-6, 700]], np.float32)
    found = unpacked(*Piece.nearest(values).coded)
    assert (np.abs(found - values) <= np.array([0, 3e-6, 700]) / 2 / 32767 * 1.001).all()


def test_scores_that_16_bits_would_blur_are_kept_in_two_pieces():
    from polyhead.model.head_scores import HeadScores

    query, key = 5 * torch.randn(2, 1, 40, 8, generator=torch.Generator().manual_seed(0))
    sharp = HeadScores(query, key / 50 + 200 * (-1.0) ** torch.arange(40)[:, None])
    pieces = coded_scores(sharp, sharp.pattern()[0], "x")
    assert [len(side) for side in pieces] == [2, 2]


def test_what_is_not_the_models_pattern_is_refused(asked, prompts):
    from polyhead.errors import PolyheadError
    from polyhead.model.head_scores import head_scores

    scores = head_scores(asked.model, HEAD, torch.from_numpy(prompts[:1]).long())
    with pytest.raises(PolyheadError, match=r"prompt 5: queries and keys do not give the model's pattern"):
        coded_scores(scores, torch.eye(48), "prompt 5")


def test_labels_are_those_of_the_study(rows, labels):
    [prompt] = [one for one in rows["prompts"] if one["name"] == "3"]
    stored = labels[labels["prompt"] == 3]
    for taxonomy, coded in prompt["labels"].items():
        found = [rows["labels"][taxonomy][code] for code in unpack(coded, "<u2")]
        assert found == stored[taxonomy].astype(str).tolist()


def test_probabilities_are_those_of_the_study(asked, rows, prompts):
    from polyhead.ablation.real_text import single_position_effects

    before, change = single_position_effects(asked.model, torch.from_numpy(prompts).long(), *HEAD)
    [prompt] = [one for one in rows["prompts"] if one["name"] == "2"]
    clean, ablated = (unpack(prompt[name], "<f4") for name in ("clean", "ablated"))
    np.testing.assert_allclose(clean, before[2], atol=1e-5)
    np.testing.assert_allclose(ablated - clean, change[2], atol=1e-5)


def test_the_answer_of_a_template_is_the_token_that_follows(rows, task):
    shown = [one for one in rows["prompts"] if one["kind"] == "toy"]
    assert [one["name"] for one in shown] == ["toy.0", "toy.1", "toy.2"]
    for one, answer in zip(shown, task.answers, strict=False):
        assert rows["tokens"][unpack(one["tokens"], "<u2")[-1]][0] == answer
        assert len(unpack(one["clean"], "<f4")) == 20
        assert "costs" in one["measured"]["20"]


def test_rows_asked_for_are_measured(rows):
    [prompt] = [one for one in rows["prompts"] if one["name"] == "4"]
    measured = prompt["measured"]["30"]
    assert abs(sum(measured["masses"]) - 1) < 1e-3
    assert len(measured["costs"]) == len(rows["classes"])
    values = [abs(value) for _, _, value in measured["pairs"]]
    assert values == sorted(values, reverse=True)


def test_other_heads_are_those_of_the_model(asked, rows, prompts):
    [prompt] = [one for one in rows["prompts"] if one["name"] == "1"]
    heads = [Head.parse(name) for name in rows["others"]]
    assert len(heads) == 5
    pattern = patterns(asked.model, heads, torch.from_numpy(prompts[1:2]).long())[0]
    source = unpack(prompt["others"]["source"], "<u2").reshape(5, -1)
    assert (source == pattern.argmax(-1).numpy()).all()


def test_without_mean_and_parts_nothing_is_cut(asked, prompts):
    record = prompt_record(replace(asked, mean=None, usual=None), Shown("0", "text", "", "", prompts[0], 48))
    assert record["measured"] == {}


@pytest.mark.parametrize(("kind", "components"), [("llama", "heads"), ("gemma3_text", "layers")])
def test_a_decoder_gets_the_same_page(asked, prompts, kind, components):
    model = random_model(kind)
    model.set_attn_implementation(register())
    model = as_decoder(model, kind)
    usual = usual_parts(model, Head(2, 3), prompts, components)
    of_decoder = replace(asked, model=model, head=Head(2, 3), mean=np.zeros(16, np.float32), usual=usual)
    if kind == "llama":
        of_decoder = replace(of_decoder, mean=np.zeros(8, np.float32))
    record = prompt_record(of_decoder, Shown("0", "text", "", "", prompts[0], 48, (40,)))
    assert record["window"] == (6 if kind == "gemma3_text" else 0)
    measured = record["measured"]["40"]
    assert set(measured) == {"masses", "costs", "pairs"}
    inputs = {name for pair in measured["pairs"] for name in pair[:2]}
    assert inputs <= {*usual.names, "bias"}
    assert ("1.0" in usual.names) == (components == "heads")
    assert len(unpack(record["clean"], "<f4")) == 46


@pytest.mark.parametrize("length", [2, 3])
def test_prompts_may_be_as_short_as_a_token(asked, prompts, length):
    record = prompt_record(asked, Shown("0", "text", "", "", prompts[0, :length], length))
    assert len(record["labels"]["post"]) == length - 1


def test_a_page_is_filled_and_not_overfilled(asked, prompts):
    shown = [Shown(str(n), "text", "", "", prompts[n % 6], 48) for n in range(20)]
    rows = explorer_rows(asked, iter(shown), [], 60_000.0)
    assert 1 < len(rows["prompts"]) < 20
    assert len(json.dumps(rows["prompts"])) <= 60_000


def test_data_cannot_end_its_script_element():
    text = as_script([NASTY, "a&b"])
    assert "<" not in text
    assert json.loads(text) == [NASTY, "a&b"]


def write_page(folder, rows):
    path = folder / "explorer.html"
    path.write_text(explorer_page(rows, SOURCES / "explorer", "toy model", "test"), encoding="utf-8")
    return path


def test_the_page_is_whole_and_names_nothing_outside(rows, tmp_path):
    text = write_page(tmp_path, rows).read_text(encoding="utf-8")
    assert not re.search(r"<< *\w+ *>>", text)
    named = set(re.findall(r'https?://[^"\'\s]*', text))
    assert named <= {"http://www.w3.org/2000/svg"}


def test_a_model_whose_rows_cannot_be_drawn_gets_a_page_that_says_why():
    page = explorer_page(nothing_explored(Head(1, 4), "it is < hidden"), SOURCES / "explorer", "toy", "test")
    assert "<p>There is nothing to leaf through: it is &lt; hidden.</p>" in page
    assert "Rows of head 1.4" in page


def test_colours_stand_in_the_order_of_every_figure():
    names = ["unknown", "bos+current", "previous", "inactive", "duplicate", "current", "eos", "induction"]
    text = explorer_page({"labels": {"post": names}}, SOURCES / "explorer", "", "")
    colours = re.search(r'"colours":\{(.*?)\}', text)[1]
    assert re.findall(r'"([^"#]+)":', colours) == ordered(names)


@pytest.fixture(scope="module")
def page():
    with browser.browsing() as opened:
        yield opened


@pytest.fixture(scope="module")
def path(rows, tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("page"), rows)


def said(page):
    return page.run("document.getElementById('said').textContent")


def in_module(page, name, expression):
    """Evaluate an expression about a module `m` of the open page."""
    return page.run(f'import("explorer/{name}").then((m) => {expression})')  # a block, or what it returns


def type_into(page, field, value):
    page.run(
        f"(() => {{ const f = document.getElementById('{field}'); f.value = {json.dumps(value)};"
        "f.dispatchEvent(new Event('input')); })()"
    )


@needs_browser
def test_the_page_opens_without_network_and_without_complaint(page, path):
    page.open(path)
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [path.as_uri()]
    assert page.run("document.querySelectorAll('#text span').length") == 48


@needs_browser
def test_rounded_numbers_are_read_as_they_were_written(page, path):
    values = np.array([[0, -2.5, 1e-5], [0, 65504, -0.1], [0, 3.14159, 6e-8]], np.float32)
    steps, multiples = Piece.nearest(values).coded
    page.open(path)
    found = in_module(page, "coding", f"Array.from(m.multiples('{steps}', '{multiples}'))")
    np.testing.assert_allclose(found, unpacked(steps, multiples).ravel(), rtol=1e-6)
    assert in_module(page, "coding", "Array.from(m.singles('AACAPwAAAMA='))") == [1, -2]


@needs_browser
def test_every_row_drawn_in_the_browser_is_the_models(page, path, asked, prompts):
    page.open(path)
    pattern = patterns(asked.model, [HEAD], torch.from_numpy(prompts).long())[:, 0].numpy()
    drawn = in_module(
        page,
        "study",
        "{ const study = m.openStudy(JSON.parse(document.getElementById('data').textContent));"
        "return study.prompts.filter((one) => one.kind === 'text').map((one) => [one.name,"
        "[...Array(one.length).keys()].map((row) => Array.from(one.weights(row)))]); }",
    )
    assert {name for name, _ in drawn} == {str(n) for n in range(6)}
    for name, of_prompt in drawn:
        for row, weights in enumerate(of_prompt):
            np.testing.assert_allclose(weights, pattern[int(name), row, : row + 1], atol=1e-3)


@needs_browser
def test_windows_and_squashed_scores_are_drawn_as_the_model_does(page, path):
    from polyhead.model.head_scores import HeadScores

    query, key = torch.randn(2, 1, 9, 4, generator=torch.Generator().manual_seed(1)) * 2
    expected = HeadScores(query, key, 3, 1.5).pattern()[0]
    flat = [side.flatten().tolist() for side in (query, key)]
    given = f"{{query: {flat[0]}, key: {flat[1]}, width: 4, window: 3, softcap: 1.5}}"
    page.open(path)
    drawn = in_module(
        page, "rows", f"[...Array(9).keys()].map((row) => Array.from(m.attention({given}, row)))"
    )
    for row, weights in enumerate(drawn):
        np.testing.assert_allclose(weights, expected[row, : row + 1], atol=1e-6)


@needs_browser
def test_addresses_are_read_as_they_were_written(page, path):
    page.open(path)
    shown = {"head": "1.2", "prompt": "toy.0", "row": 7, "q": "a&b=·#", "type": "code", "label": "post:x+y"}
    shown |= {"class": "rest", "low": 0.5, "high": 2, "fold": True}
    assert in_module(page, "address", f"m.readAddress(m.writeAddress({json.dumps(shown)}))") == shown
    nothing = in_module(page, "address", "[m.readAddress('#row=-3&low=x&other=1'), m.NOTHING]")
    assert nothing[0] == nothing[1]


@needs_browser
def test_rows_are_found_by_every_filter(page, path):
    page.open(path)
    token = "(t) => [0, t, 0]"
    prompt = (
        f"{{length: 5, sourceType: 'code', token: (j) => ({token})(['<B>', 'ab', '·c', '⏎', 'AB'][j]),"
        "label: (of, row) => of + row, class: (row) => row < 3 ? 'rest' : 'other', entropy: (row) => row}"
    )
    study = f"{{prompts: [{prompt}], labels: {{post: []}}}}"
    asked_for = {
        "{q: 'ab'}": [1, 4],
        "{q: 'b c'}": [2],
        r"{q: 'c\n'}": [3],
        "{label: 'post:post2'}": [2],
        "{class: 'rest'}": [1, 2],
        "{low: 2, high: 3}": [2, 3],
        "{type: 'prose'}": [],
        "{type: 'code', class: 'other', q: 'ab'}": [4],
    }
    for wanted, expected in asked_for.items():
        found = in_module(page, "filters", f"m.matches({study}, {{label: '', ...{wanted}}})")
        assert [row for _, row in found] == expected, wanted
    steps = "[[0, 4, 1], [1, 2, 1], [0, 1, -1], [1, 1, -1]].map((step) => m.beside(found, ...step))"
    assert in_module(page, "filters", f"{{ const found = [[0, 1], [0, 4], [1, 2]]; return {steps}; }}") == [
        2,
        0,
        2,
        1,
    ]


@needs_browser
def test_a_picture_is_well_formed_and_marks_its_destination(page, path):
    page.open(path)
    prompt = f"{{token: (j) => [j, {json.dumps(NASTY)} + j, j === 0 ? 1 : 0]}}"
    svg = in_module(page, "picture", f"m.rowPicture({prompt}, [0.25, 0.5, 0.25], 'a < b', '#123456')")
    tree = ElementTree.fromstring(svg)
    frames = tree.findall(".//*[@class='destination']")
    assert [frame.get("stroke") for frame in frames] == ["#123456"]
    assert [text.text for text in tree.iter("{http://www.w3.org/2000/svg}text")] == [
        f"{NASTY}{j}" for j in range(3)
    ]


@needs_browser
def test_keys_do_nothing_while_something_is_written_or_when_turned_off(page, path):
    page.open(path)
    event = "{key: %r, target: {tagName: %r, type: %r}}"
    cases = [
        (("n", "BODY", ""), "true", {"name": "next"}),
        (("n", "INPUT", "search"), "true", None),
        (("n", "INPUT", "checkbox"), "true", {"name": "next"}),
        (("n", "BODY", ""), "false", None),
        (("ArrowLeft", "BODY", ""), "false", {"name": "back"}),
        (("3", "BODY", ""), "true", {"name": "source", "number": 3}),
        (("x", "BODY", ""), "true", None),
    ]
    for given, letters, expected in cases:
        assert in_module(page, "keys", f"m.asked({event % given}, {letters})") == expected
    held = "m.asked({key: 'n', ctrlKey: true, target: {tagName: 'BODY'}}, true)"
    assert in_module(page, "keys", held) is None


@needs_browser
def test_any_token_is_a_destination_by_mouse_and_by_key(page, path):
    page.open(path, "#prompt=2&row=10")
    page.press("ArrowRight")
    assert "position 11 of prompt 2" in said(page)
    page.press("ArrowLeft")
    page.press("ArrowLeft")
    assert "position 9 of prompt 2" in said(page)
    page.run("document.getElementById('token-33').click()")
    assert "position 33 of prompt 2" in said(page)
    assert page.run("location.hash") == "#head=1.2&prompt=2&row=33"
    active = page.run("document.getElementById('text').getAttribute('aria-activedescendant')")
    assert active == "token-33"
    assert page.run("document.querySelectorAll('#text [aria-selected=true]').length") == 1


@needs_browser
def test_a_link_leads_to_its_row(page, path, asked, prompts):
    page.open(path, "#head=1.2&prompt=4&row=30")
    assert "position 30 of prompt 4" in said(page)
    weights = patterns(asked.model, [HEAD], torch.from_numpy(prompts[4:5]).long())[0, 0, 30]
    first = page.run("document.querySelector('#top tbody tr').textContent")
    assert f"position {weights.argmax()}{weights.max():.3f}" in first
    assert page.run("document.getElementById('warning').textContent") == ""


@needs_browser
def test_a_link_to_a_class_leads_to_a_row_that_it_dominates(page, path):
    page.open(path, "#head=1.2&class=rest")
    assert "dominated byrest" in page.run("document.getElementById('next-token').textContent")
    place = page.run("[location.hash, document.getElementById('place').textContent]")
    assert "class=rest" in place[0]
    assert re.fullmatch(r"\d+ of \d+ rows", place[1])


@needs_browser
@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("#head=0.1&prompt=2&row=5", "This page shows head 1.2; the link asks for head 0.1."),
        ("#prompt=77&row=5", "Prompt 77 is not on this page."),
        ("#class=nothing&label=no&row=-7&low=x", ""),
        ("#q=zzzzzz", "No row on this page is like that."),
    ],
)
def test_a_link_that_leads_nowhere_says_so(page, path, link, message):
    page.open(path, link)
    assert page.complaints == []
    assert page.run("document.getElementById('warning').textContent") == message
    assert page.run("document.querySelectorAll('#text .destination').length") == 1


@needs_browser
def test_filters_find_rows_and_keys_go_through_them(page, path, rows, labels):
    page.open(path, "#prompt=0&row=1")
    name = labels["post"].astype(str).mode()[0]
    type_into(page, "label", f"post:{name}")
    type_into(page, "type", "prose")
    expected = ((labels["post"] == name) & (labels["prompt"] % 2 == 1)).sum()
    assert page.run("document.getElementById('place').textContent") == f"1 of {expected} rows"
    first = said(page)
    page.press("n")
    assert said(page) != first
    assert f"post {name}" in said(page)
    page.press("p")
    assert said(page) == first
    label = page.run("[...document.querySelectorAll('#label option')].map((one) => one.textContent)")
    assert "post: unknown (1,234 in the study)" in label


@needs_browser
def test_the_page_can_be_used_by_keyboard_alone(page, path):
    page.open(path, "#prompt=2&row=40")
    page.run("document.getElementById('text').focus()")
    page.press("Home")
    assert "position 1 of prompt 2" in said(page)
    page.press("End")
    assert "position 47 of prompt 2" in said(page)
    page.press("2")
    second = page.run("document.querySelectorAll('#top button')[1].textContent")
    assert page.run("document.querySelector('#text .marked').textContent") == second
    page.press("0")
    assert page.run("document.querySelectorAll('#text .marked').length") == 0
    page.press("f")
    assert "fold=1" in page.run("location.hash")
    page.press("t")
    assert page.run("document.querySelectorAll('#all tbody tr').length") == 48
    page.press("]")
    assert "of prompt 2" not in said(page)
    page.press("/")
    assert page.run("document.activeElement.id") == "q"
    page.press("Escape")
    assert page.run("document.activeElement.id") == "text"
    outline = page.run("getComputedStyle(document.getElementById('text')).outlineStyle")
    assert outline == "solid"


def focused(page):
    return page.run("document.activeElement.id || document.activeElement.tagName")


def in_view(page, selector):
    top, bottom = page.run(
        f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
        "return [b.top, b.bottom]; })()"
    )
    return bottom > 0 and top < 800


@needs_browser
def test_every_control_is_reached_by_tab_and_seen_to_be(page, path):
    page.open(path, "#prompt=2&row=40", width=390, height=800)
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    controls = page.run("document.querySelectorAll('summary, select, button, input, [tabindex]').length")
    reached = []
    while page.press("Tab") or focused(page) != "BODY":
        [seen, width, top] = page.run(
            "(() => { const one = document.activeElement; const style = getComputedStyle(one);"
            "return [one.matches(':focus-visible') && style.outlineStyle, parseFloat(style.outlineWidth),"
            "one.getBoundingClientRect().top]; })()"
        )
        assert (seen, width >= 2, 0 <= top < 800) == ("solid", True, True), focused(page)
        reached.append(focused(page))
    assert len(reached) == controls


@needs_browser
def test_what_a_key_shows_comes_into_view(page, path):
    page.open(path, "#prompt=2&row=40", width=390, height=800)
    for key, where in (("?", "#help p"), ("t", "#all-sources summary"), ("/", "#q"), ("1", "#text .marked")):
        page.run("document.querySelector('#others button').focus()")
        page.run(f"scrollTo(0, {'0' if key == 't' else 'document.body.scrollHeight'})")
        page.press(key)
        assert in_view(page, where), key


@needs_browser
def test_a_source_chosen_far_below_the_text_is_seen_in_it(page, path):
    page.open(path, "#prompt=2&row=40", width=390, height=800)
    page.run("[...document.querySelectorAll('#others button')].at(-1).focus()")
    page.run("scrollTo(0, document.body.scrollHeight)")
    assert not in_view(page, "#text .destination")
    page.press("Enter")
    assert in_view(page, "#text")


@needs_browser
def test_the_focus_is_not_lost_with_the_row_whose_button_had_it(page, path):
    page.open(path, "#prompt=2&row=40")
    page.run("document.querySelector('#top button').focus()")
    page.press("n")
    assert "position 41 of prompt 2" in said(page)
    assert focused(page) == "text"


@needs_browser
def test_folded_text_keeps_the_mass_and_the_destination(page, path):
    page.open(path, "#prompt=3&row=45&fold=1")
    shown = page.run(
        "[...document.querySelectorAll('#text span:not([hidden])')].map((one) => +one.dataset.position)"
    )
    weights = "{ const study = m.openStudy(JSON.parse(document.getElementById('data').textContent));"
    row = in_module(
        page, "study", f"{weights} return Array.from(study.prompts[study.find('3')].weights(45)); }}"
    )
    assert {j for j, weight in enumerate(row) if weight >= 0.02} | {0, 45} <= set(shown)
    assert max(shown) == 45


@needs_browser
def test_the_saved_picture_is_the_row(page, path):
    page.open(path, "#prompt=2&row=30")
    page.run(
        "(() => { window.saved = new Promise((done) => {"
        "URL.createObjectURL = (blob) => { blob.text().then(done); return 'data:,'; }; });"
        "HTMLAnchorElement.prototype.click = function () { window.named = this.download; }; })()"
    )
    page.press("s")
    tree = ElementTree.fromstring(page.run("window.saved"))
    assert len(tree.findall(".//*[@class='destination']")) == 1
    assert "position 30 of prompt 2" in tree[0].text
    assert page.run("window.named") == "head-1.2-prompt-2-row-30.svg"
    saved = page.run("document.getElementById('warning').textContent")
    assert saved == "Saved as head-1.2-prompt-2-row-30.svg."


@needs_browser
def test_pointing_at_a_token_shows_its_weight_and_id(page, path, asked, prompts):
    page.open(path, "#prompt=2&row=30")
    assert page.run("document.getElementById('tip').hidden")
    page.hover("#text span:nth-child(1)")
    weight = patterns(asked.model, [HEAD], torch.from_numpy(prompts[2:3]).long())[0, 0, 30, 0]
    tip = page.run("document.getElementById('tip').textContent")
    assert f"weight {weight:.3f} · position 0 · token id 0" in tip


@needs_browser
def test_tokens_are_text_never_markup(page, rows, tmp_path):
    tokens = [[number, NASTY + label, breaks] for number, label, breaks in rows["tokens"]]
    path = write_page(tmp_path, rows | {"tokens": tokens})
    page.open(path)
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.querySelector('#text span').textContent").startswith(NASTY)
    assert [url for url in page.requests if not url.startswith("data:")] == [path.as_uri()]


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone_and_text_stands_out(page, path, scheme):
    page.open(path, "#class=rest", width=390, height=800)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    assert page.run("document.documentElement.scrollWidth") <= 390
    sums = page.run(
        "['color', 'backgroundColor'].map((name) => getComputedStyle(document.body)[name].match(/[0-9]+/g)"
        ".reduce((sum, part) => sum + Number(part), 0))"
    )
    assert (sums[0] > sums[1]) == (scheme == "dark")
    assert abs(sums[0] - sums[1]) > 400
    page.call("Emulation.setEmulatedMedia", features=[])
