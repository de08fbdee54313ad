"""The explorer: its numbers against the study's, and its page in a browser."""

import base64
import json
import re
from dataclasses import replace

import browser
import numpy as np
import pandas as pd
import pytest
import torch
from decoders import random_model
from saved_figure import contrast, luminance

from polyhead.ablation.real_text import single_position_effects
from polyhead.attention.labels import Definitions, label_table, read_atoms
from polyhead.attention.rows import patterns, prompt_contexts, shard_tables
from polyhead.edges.classes import CLASSES, class_masses
from polyhead.edges.costs import Fill, Question, cut_only, edge_costs
from polyhead.errors import PolyheadError
from polyhead.model.attend import register
from polyhead.model.decoders import as_decoder
from polyhead.model.head import Head
from polyhead.model.head_scores import HeadScores, head_scores
from polyhead.model.opening import open_model
from polyhead.prompts.templates import Task
from polyhead.report import explorer_rows as of_rows
from polyhead.report.explorer import explorer_page, heads_map
from polyhead.report.explorer_rows import LARGEST, Asked, Shown, coded_sides, prompt_record

HEAD = Head(1, 2)
NASTY = '</script><img src="https://example.org/x.png" onerror="document.title=1">\u2028\u202eא😀\x07'


def unpack(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def unpacked(side):
    steps, numbers = side
    if not steps:
        return unpack(numbers, "<f4").reshape(-1, 8)
    return unpack(numbers, "<i2").reshape(-1, 8) * unpack(steps, "<f4").astype(float)


@pytest.fixture(scope="module")
def asked(model_dir):
    mean = np.linspace(-1, 1, 8, dtype=np.float32)
    return Asked(*open_model(model_dir), HEAD, Definitions(4, 0.6, ["post", "extended"]), mean)


@pytest.fixture(scope="module")
def table(asked, prompts):
    """The study's stored rows of the head."""
    return shard_tables(asked.model, asked.vocabulary, [HEAD], np.arange(6), prompts, 4)[0]


@pytest.fixture(scope="module")
def task(prompts):
    fields = {"name": "toy", "title": "A toy", "behaviour": ["previous"], "source": 3, "slots": []}
    tokens, answers = prompts[:5, :21].astype(int), prompts[:5, 21].astype(int)
    return Task(**fields, destination=20, tokens=tokens, answers=answers)


@pytest.fixture(scope="module")
def rows(asked, prompts, task):
    sources = pd.DataFrame({"source": "a file", "source_type": ["code", "prose"] * 3})
    sampled = of_rows.sampled_prompts(prompts, sources, [(4, 30)], 0)
    return of_rows.explorer_rows(asked, iter([*of_rows.template_prompts([task]), *sampled]), 3.5e6)


def record_of(rows, name):
    return next(one for one in rows["prompts"] if one["name"] == name)


def rows_of(model, prompts, prompt=slice(None)):
    """Return the head's pattern on prompts."""
    return patterns(model, [HEAD], torch.from_numpy(prompts[prompt]).long())[:, 0]


def test_prompts_with_linked_rows_come_first_and_end_there(prompts, tmp_path):
    (tmp_path / "examples.json").write_text('[{"label": "x", "prompt": 4, "position": 30}]')
    (tmp_path / "moments.csv").write_text("edges,prompt,position\nsink,5,20\nother,4,9\n")
    wanted = of_rows.linked_rows(tmp_path / "examples.json", tmp_path / "moments.csv")
    sources = pd.DataFrame({"source": ["a"] * 6, "source_type": ["b"] * 6})
    shown = list(of_rows.sampled_prompts(prompts, sources, wanted, 0))
    assert [(one.name, one.length, len(one.tokens)) for one in shown[:2]] == [("5", 21, 22), ("4", 31, 32)]
    assert sorted((one.name, one.length) for one in shown[2:]) == [(name, 48) for name in "0123"]


def test_the_first_row_that_a_class_dominates_is_found(table):
    masses = class_masses(read_atoms(table))
    places = list(zip(table["prompt"].to_pylist(), table["position"].to_pylist(), strict=True))
    counts = [(place, row >= 0.5) for place, row in zip(places, masses, strict=True) if place[1] >= 16]
    firsts = [next((place for place, half in counts if half[code]), None) for code in range(len(CLASSES))]
    assert sorted(of_rows.rows_of_classes(table)) == sorted(place for place in firsts if place)
    assert any(firsts)


def test_a_page_is_filled_and_not_overfilled(asked, prompts):
    shown = [Shown(str(n), "text", "", "", prompts[n % 6], 48) for n in range(20)]
    found = of_rows.explorer_rows(asked, iter(shown), 60_000.0)["prompts"]
    assert 1 < len(found) < 20
    assert len(json.dumps(found)) <= 60_000


def test_rounded_queries_and_keys_give_the_models_rows_or_are_kept_in_full(asked, prompts):
    pattern = rows_of(asked.model, prompts)[0]
    scores = head_scores(asked.model, HEAD, torch.from_numpy(prompts[:1]).long())
    sides = coded_sides(scores, pattern, "x")
    query, key = (unpacked(side) for side in sides)
    drawn = torch.from_numpy(np.where(np.tri(48), query @ key.T, -np.inf)).softmax(-1)
    assert sides[0][0]
    assert (drawn - pattern).abs().max() < 1e-3
    with pytest.raises(PolyheadError, match=r"prompt 5: queries and keys do not give the model's pattern"):
        coded_sides(scores, torch.eye(48), "prompt 5")
    query, key = 5 * torch.randn(2, 1, 40, 8, generator=torch.Generator().manual_seed(0))
    sharp = HeadScores(query, key / 50 + 200 * (-1.0) ** torch.arange(40)[:, None])
    sides = coded_sides(sharp, sharp.pattern()[0], "x")
    assert [steps for steps, _ in sides] == ["", ""], "16 bits would blur these scores"
    np.testing.assert_allclose(unpacked(sides[0]), query[0])


def test_labels_masses_and_probabilities_are_those_of_the_study(asked, rows, table, prompts):
    stored = label_table(table, ["post", "extended"], 0.6)
    one, of_prompt = record_of(rows, "3"), (stored["prompt"] == 3).to_numpy()
    for taxonomy, found in one["labels"].items():
        names = [found["names"][code] for code in unpack(found["codes"], "<u2")]
        assert names == stored[taxonomy][of_prompt].astype(str).tolist()
    masses = unpack(one["masses"], "<u2").reshape(47, -1) / LARGEST["<u2"]
    np.testing.assert_allclose(masses, class_masses(read_atoms(table))[of_prompt], atol=1e-5)
    before, change, _ = single_position_effects(asked.model, torch.from_numpy(prompts[3:4]).long(), *HEAD)
    clean, ablated = (unpack(one[name], "<f4") for name in ("clean", "ablated"))
    np.testing.assert_allclose(clean, [*before[0], np.nan], atol=1e-5)
    np.testing.assert_allclose(ablated - clean, [*change[0], np.nan], atol=1e-5)


def test_costs_are_those_of_cutting_a_class_at_one_row(asked, rows, prompts):
    one = record_of(rows, "2")
    costs, masses = unpack(one["costs"], "<f4").reshape(47, -1), unpack(one["masses"], "<u2").reshape(47, -1)
    assert (np.isfinite(costs[:46]) == (masses[:46] >= 0.05 * LARGEST["<u2"])).all()
    row, place = np.argwhere(np.isfinite(costs))[20]
    only = np.arange(48)[None] == row + 1
    question = Question(HEAD, only, (cut_only(CLASSES[place], Fill.MEAN),), asked.mean)
    [answer] = edge_costs(asked.model, prompt_contexts(prompts[2:3], asked.vocabulary, 4), [question])
    np.testing.assert_allclose(costs[row, place], answer[0, 0], atol=1e-5)


def test_the_answer_of_a_template_is_the_token_that_follows(rows, task):
    shown = [one for one in rows["prompts"] if one["kind"] == "toy"]
    assert [one["name"] for one in shown] == ["toy.0", "toy.1", "toy.2"]
    for one, answer in zip(shown, task.answers, strict=False):
        assert unpack(one["tokens"], "<u4")[-1] == answer
        assert str(answer) in rows["tokens"]
        assert len(unpack(one["clean"], "<f4")) == 20


@pytest.mark.parametrize(("kind", "width", "window"), [("llama", 8, 0), ("gemma3_text", 16, 6)])
def test_a_decoder_gets_the_same_page(asked, prompts, kind, width, window):
    model = random_model(kind)
    model.set_attn_implementation(register())
    mean = np.zeros(width, np.float32)
    of_decoder = replace(asked, model=as_decoder(model, kind), head=Head(2, 3), mean=mean)
    record = prompt_record(of_decoder, Shown("0", "text", "", "", prompts[0], 48))
    assert record["window"] == window
    assert len(unpack(record["clean"], "<f4")) == 47
    assert np.isfinite(unpack(record["costs"], "<f4")).any()


def test_prompts_may_be_as_short_as_a_token_and_without_a_mean_nothing_is_cut(asked, prompts):
    record = prompt_record(replace(asked, mean=None), Shown("0", "text", "", "", prompts[0, :2], 2))
    assert len(unpack(record["labels"]["post"]["codes"], "<u2")) == 1
    assert np.isnan(unpack(record["costs"], "<f4")).all()


def edges_of(head, share, cost):
    """Lines of edges.csv: the whole row, the sink, and one class with this share of rows and this cost."""
    whole = {"head": head, "edges": "all", "share": 1, "mass": 1, "entropy": 1.5, "cost": 0.2}
    sink = {"head": head, "edges": "sink", "share": 0.1, "mass": 0.3}
    return [whole, sink, {"head": head, "edges": "previous", "share": share, "cost": cost}]


@pytest.fixture(scope="module")
def heads():
    edges = pd.DataFrame([*edges_of("10.0", 0.5, 0.25), *edges_of("1.2", 0.2, None)])
    lines = [("10.0", "one", "previous", 0.5), ("1.2", "none", None, None)]
    verdicts = pd.DataFrame(lines, columns=["head", "verdict", "behaviours", "explained"])
    return heads_map(
        edges, verdicts, pd.DataFrame({"task": "toy", "head": ["1.2", "10.0"], "drop": [0.25, -0.5]})
    )


def test_every_head_has_its_verdict_and_numbers(heads):
    assert heads["heads"] == ["1.2", "10.0"]
    assert heads["verdicts"] == ["none", "one behaviour: previous"]
    numbers = heads["numbers"]
    assert numbers["layer"] == [1, 10]
    assert numbers["previous: cost in nats"] == [None, 0.25]
    assert numbers["task toy: drop"] == [0.25, -0.5]
    assert "induction: share of rows" not in numbers


def write_page(folder, rows, *more):
    path = folder / "explorer.html"
    path.write_text(explorer_page(rows, "toy model", "test", *more), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def path(rows, tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("page"), rows)


@pytest.fixture(scope="module")
def map_path(rows, heads, tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("map"), rows, heads, "snakemake --config head=")


def in_module(page, name, expression):
    """Evaluate an expression about a module `m` of the open page, and the `study` that it shows."""
    study = "s.openStudy(JSON.parse(document.getElementById('data').textContent))"
    call = f"((m, study) => {expression})(m, {study})"
    return page.run(f'import("explorer/study").then((s) => import("explorer/{name}").then((m) => {call}))')


@browser.needed
def test_the_page_loads_nothing_and_tokens_are_text_never_markup(page, path, rows, tmp_path):
    page.open(path)
    page.loads_only(path)
    assert not re.search(r"https?://|<< *\w+ *>>", path.read_text(encoding="utf-8"))
    tokens = {number: [NASTY + label, breaks] for number, (label, breaks) in rows["tokens"].items()}
    path = write_page(tmp_path, rows | {"tokens": tokens})
    assert "\u2028" not in path.read_text(encoding="utf-8")
    page.open(path)
    page.loads_only(path)
    assert page.count("img") == 0
    assert page.count("#text span") > 30
    assert page.run("document.querySelector('#text span').textContent").startswith(NASTY)


@browser.needed
def test_every_row_drawn_in_the_browser_is_the_models(page, path, asked, prompts):
    page.open(path)
    pattern = rows_of(asked.model, prompts).numpy()
    weights = "[...Array(one.length).keys()].map((row) => Array.from(one.weights(row)))"
    texts = "study.prompts.filter((one) => one.kind === 'text')"
    drawn = in_module(page, "study", f"{texts}.map((one) => [one.name, {weights}])")
    assert {name for name, _ in drawn} == {str(n) for n in range(6)}
    for name, of_prompt in drawn:
        for row, weights in enumerate(of_prompt):
            np.testing.assert_allclose(weights, pattern[int(name), row, : row + 1], atol=1e-3)
    page.open(path, "#prompt=4&position=30")
    assert ("position 30 of prompt 4" in page.text("said"), page.text("warning")) == (True, "")
    first = page.run("document.querySelector('#top tbody tr').textContent")
    assert f"position {pattern[4, 30].argmax()}{pattern[4, 30].max():.3f}" in first


@browser.needed
def test_windows_squashed_scores_and_full_numbers_are_drawn_as_the_model_does(page, path):
    query, key = torch.randn(2, 1, 9, 4, generator=torch.Generator().manual_seed(1)) * 2
    expected = HeadScores(query, key, 3, 1.5).pattern()[0]
    sides = [base64.b64encode(side.numpy().tobytes()).decode() for side in (query, key)]
    query, key = (f"m.side(['', '{side}'])" for side in sides)
    given = f"{{query: {query}, key: {key}, width: 4, window: 3, softcap: 1.5}}"
    page.open(path)
    rows = f"[...Array(9).keys()].map((row) => Array.from(m.attention({given}, row)))"
    for row, weights in enumerate(in_module(page, "study", rows)):
        np.testing.assert_allclose(weights, expected[row, : row + 1], atol=1e-6)


SHOWN = {"head": "1.2", "prompt": "toy.0", "position": 7, "q": "a&b=·#", "type": "code", "label": "post:x+y"}
SHOWN |= {"class": "sink", "low": 0.5, "high": 2, "view": "heads", "x": "a: b", "y": "", "colour": "c"}
SHOWN |= {"chosen": "0.1"}
ROWS = (
    "{prompts: [{length: 5, sourceType: 'code', token: (j) => ({label: ['<B>', 'ab', '·c', '⏎', 'AB'][j]}),"
    "label: (of, row) => of + row, class: (row) => row < 3 ? 'sink' : 'other', entropy: (row) => row}]}"
)
FOUND = {
    "q: 'ab'": [1, 4],
    "q: 'b c'": [2],
    r"q: 'c\n'": [3],
    "label: 'post:post2'": [2],
    "class: 'sink'": [1, 2],
}
FOUND |= {"low: 2, high: 3": [2, 3], "type: 'prose'": [], "type: 'code', class: 'other', q: 'ab'": [4]}
BY_HAND = {
    "find": {f"m.readAddress(m.writeAddress({json.dumps(SHOWN)}))": SHOWN}
    | {f"m.matches({ROWS}, {{label: '', {how}}}).map((row) => row[1])": rows for how, rows in FOUND.items()}
    | {"[m.beside([[0, 1], [0, 4], [1, 2]], 0, 4, 1), m.beside([[0, 1], [0, 4], [1, 2]], 1, 2, 1)]": [2, 0]}
    | {
        "[m.beside([[0, 1], [0, 4], [1, 2]], 0, 1, -1), m.beside([[0, 1], [0, 4], [1, 2]], 1, 1, -1)]": [2, 1]
    },
    "heads": {"m.ticks(0, 1)": [0, 0.2, 0.4, 0.6, 0.8, 1], "m.ticks(-0.3, 0.1)": [-0.3, -0.2, -0.1, 0, 0.1]},
    "study": {"m.entropy([0.5, 0.25, 0.25, 0])": 1.5},
}


@browser.needed
def test_addresses_filters_and_ticks_by_hand(page, path):
    page.open(path)
    for name, cases in BY_HAND.items():
        for expression, expected in cases.items():
            assert in_module(page, name, expression) == expected, expression
    given, nothing = in_module(page, "find", "[m.readAddress('#position=-3&low=x&other=1'), m.NOTHING]")
    assert given == nothing


NOWHERE = {
    "#head=0.1&prompt=2&position=5": "This page shows head 1.2; the link asks for head 0.1.",
    "#prompt=77&position=5": "Prompt 77 is not on this page.",
    "#class=nothing&label=no&position=-7&low=x": "",
    "#q=zzzzzz": "No row on this page is like that.",
}


@browser.needed
@pytest.mark.parametrize("link", NOWHERE)
def test_a_link_that_leads_nowhere_says_so(page, path, link):
    page.open(path, link)
    assert page.complaints == []
    assert page.text("warning") == NOWHERE[link]
    assert page.count("#text .destination") == 1


@browser.needed
def test_filters_find_rows_and_keys_go_through_them(page, path, table):
    labels = label_table(table, ["post"], 0.6)
    labels = labels[(labels["prompt"] != 4) | (labels["position"] <= 30)]
    name = labels["post"].astype(str).mode()[0]
    expected = ((labels["post"] == name) & (labels["prompt"] % 2 == 1)).sum()
    page.open(path, "#prompt=1&position=1")
    page.set("label", f"post:{name}")
    page.set("type", "prose")
    assert page.text("place").endswith(f"of {expected} rows")
    page.press("n")
    first = page.text("said")
    page.press("n")
    assert page.text("said") != first
    assert f"post {name}" in page.text("said")
    page.press("p")
    assert page.text("said") == first
    page.open(path, "#class=other")
    assert "dominated byother" in page.text("next-token")


@browser.needed
def test_any_token_is_a_destination_and_the_keyboard_does_it_all(page, path):
    page.open(path, "#prompt=2&position=10")
    page.run("document.getElementById('token-33').click()")
    assert page.run("location.hash") == "#head=1.2&prompt=2&position=33"
    assert page.run("document.getElementById('text').getAttribute('aria-activedescendant')") == "token-33"
    assert page.count("#text [aria-selected=true]") == 1
    page.run("document.getElementById('text').focus()")
    for key, position in (("ArrowRight", 34), ("ArrowLeft", 33), ("Home", 1), ("End", 47)):
        page.press(key)
        assert f"position {position} of prompt 2" in page.text("said")
    page.press("2")
    second = page.run("document.querySelectorAll('#top button')[1].textContent")
    assert page.run("document.querySelector('#text .marked').textContent") == second
    page.press("0")
    assert page.count("#text .marked") == 0
    page.press("]")
    assert "of prompt 2" not in page.text("said")
    page.press("/")
    assert page.focused() == "q"
    page.press("n")
    assert page.run("document.getElementById('q').value") == "n"
    page.press("Escape")
    assert page.focused() == "text"
    said = page.run("document.getElementById('letters').click()") or page.text("said")
    page.press("]")
    assert page.text("said") == said
    page.open(path, "#prompt=2&position=40", width=390)
    for key, where in (("?", "#help summary"), ("/", "#q"), ("Enter", "#text .marked")):
        page.run("[...document.querySelectorAll('#top button')].at(-1).focus()")
        page.run("scrollTo(0, document.body.scrollHeight)")
        page.press(key)
        assert 0 <= page.box(where)["top"] < 800, key
    page.press("n")
    assert ("position 41 of prompt 2" in page.text("said"), page.focused()) == (True, "text")


@browser.needed
def test_every_control_is_reached_by_tab_and_seen_to_be(page, path):
    page.open(path, "#prompt=2&position=40", width=390)
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    controls = page.run(
        "[...document.querySelectorAll('summary, select, button, input, [tabindex]')]"
        ".filter((one) => one.checkVisibility()).length"
    )
    reached = []
    while page.press("Tab") or page.focused() != "BODY":
        [seen, width, top] = page.run(
            "(() => { const one = document.activeElement; const style = getComputedStyle(one);"
            "return [one.matches(':focus-visible') && style.outlineStyle, parseFloat(style.outlineWidth),"
            "one.getBoundingClientRect().top]; })()"
        )
        assert (seen, width >= 2, 0 <= top < 800) == ("solid", True, True), page.focused()
        reached.append(page.focused())
    assert len(reached) == controls


@browser.needed
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone_and_text_stands_out(page, path, scheme):
    page.open(path, "#class=other", width=320, scheme=scheme)
    assert page.run("document.documentElement.scrollWidth") <= 320
    ink, paper = page.colours()
    assert contrast(ink, paper) > 7
    assert (luminance(paper) < 0.1) == (scheme == "dark")


@browser.needed
def test_the_page_opens_on_all_heads_and_links_hold_their_axes(page, map_path):
    page.open(map_path)
    assert page.complaints == []
    assert page.run("document.getElementById('heads').open")
    assert page.count("#map circle") == 2
    page.run("document.querySelector('#map circle[data-head=\"10.0\"]').dispatchEvent(new Event('click'))")
    assert "one behaviour: previous" in page.text("verdict")
    assert "snakemake --config head=10.0" in page.text("rows-of")
    page.set("y", "previous: cost in nats")
    page.open(map_path, page.run("location.hash"))
    values = page.run("['y', 'chosen'].map((id) => document.getElementById(id).value)")
    assert values == ["previous: cost in nats", "10.0"]
    assert page.count("#map circle") == 1
    assert "1 without such numbers" in page.text("legend")
    page.open(map_path, "#chosen=1.2")
    page.run("document.querySelector('#rows-of button').click()")
    assert (page.run("document.getElementById('heads').open"), page.focused()) == (False, "text")
    page.open(map_path, "#prompt=2&position=5")
    assert not page.run("document.getElementById('heads').open")
