"""The config: what is refused, and in which words."""

import json
import re
import runpy
from pathlib import Path

import pytest
import yaml

from polyhead.config import chosen_heads, load_study, parse_head
from polyhead.errors import PolyheadError
from polyhead.model.shape import Shape

SHAPE = Shape(n_layers=4, n_heads=8, n_ctx=256, d_vocab=100)
WIDE = Shape(n_layers=2, n_heads=12, n_ctx=256, d_vocab=100)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def base(tmp_path):
    """A config whose model and corpus exist, as far as the config check looks at them."""
    model, corpus = tmp_path / "model", tmp_path / "corpus"
    model.mkdir()
    corpus.mkdir()
    sizes = {"n_layers": 4, "n_heads": 8, "n_ctx": 256, "d_vocab": 100, "attn_only": True}
    (model / "config.json").write_text(json.dumps({**sizes, "normalization_type": "LN"}))
    for path in (model / "model.safetensors", model / "tokenizer.json", corpus / "held_out.parquet"):
        path.touch()
    return {"study": "test", "model": str(model), "corpus": {"path": str(corpus)}, "context": 256}


def test_defaults_are_accepted_and_heads_are_normalised(base):
    assert load_study(base).head == ["1.1"]
    assert load_study({**base, "head": ["L3H7", "0.2", 2.3, "0.2"]}).head == ["0.2", "2.3", "3.7"]


def test_the_default_study_stands_once():
    written = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    assert load_study(written, ROOT) == load_study({}, ROOT)


def test_all_means_every_head_of_the_model(base):
    assert len(load_study({**base, "head": "all"}).head) == 32
    assert chosen_heads(["all"], SHAPE)[-1] == "3.7"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hed": "1.4"}, "hed: unknown key; did you mean 'head'?"),
        ({"treshold": 0.9}, "treshold: unknown key; did you mean 'threshold'?"),
        ({"ablation": {"method": ["bos"]}}, "ablation.method: unknown key; did you mean 'methods'?"),
        (
            {"report": {"zzz": 1}},
            "report.zzz: unknown key; allowed here: explorer_megabytes, renderer",
        ),
        ({"head": "7.1"}, "head: the model has no head 7.1; its heads are 0.0 to 3.7"),
        ({"head": "1.8"}, "head: the model has no head 1.8"),
        ({"head": "first"}, "head: 'first' is not a head"),
        ({"head": []}, "head: [] given"),
        ({"previous_window": 0}, "previous_window: 0 given; input should be greater than or equal to 1"),
        ({"threshold": 0}, "threshold: 0 given; input should be greater than 0"),
        ({"threshold": 1.01}, "threshold: 1.01 given; input should be less than or equal to 1"),
        ({"prompts": 0}, "prompts: 0 given"),
        ({"prompts": "many"}, "prompts: 'many' given"),
        ({"context": 257}, "context: 257 given; the model"),
        ({"seed": -1}, "seed: -1 given"),
        ({"taxonomies": ["mine"]}, "taxonomies.0: 'mine' given; input should be 'post' or 'extended'"),
        ({"ablation": {"methods": ["noise"]}}, "ablation.methods.0: 'noise' given"),
        ({"ablation": {"tasks": ["x"], "templates": "no/such.yaml"}}, "ablation.templates: no/such.yaml"),
        ({"study": "../elsewhere"}, "study: '../elsewhere' given"),
        ({"study": "a b"}, "study: 'a b' given"),
        ({"model": "no/such/model"}, "model 'no/such/model' does not exist; a model is a folder with"),
        ({"model": "README.md"}, "model 'README.md' is a file; a model is a folder with"),
        ({"model": "no/such.gguf"}, "model: the file 'no/such.gguf' does not exist"),
        ({"model": None}, "model: None given; input should be a valid string"),
        ({"model": ""}, "model: '' given; a path is needed"),
        ({"model": 5}, "model: 5 given; input should be a valid string"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(base, change, message):
    with pytest.raises(PolyheadError) as caught:
        load_study({**base, **change})
    assert message in str(caught.value)


def test_all_tasks_are_the_templates_of_the_file_in_its_order(base, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("templates: {zebra: {title: Z}, ant: {title: A}}")
    mine = {"templates": str(path)}
    assert load_study({**base, "ablation": mine}).ablation.tasks == ["zebra", "ant"]
    assert load_study({**base, "ablation": mine | {"tasks": "all"}}).ablation.tasks == ["zebra", "ant"]
    assert load_study({**base, "ablation": mine | {"tasks": ["ant"]}}).ablation.tasks == ["ant"]
    assert load_study({**base, "ablation": mine | {"tasks": []}}).ablation.tasks == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("words: {}", "templates: missing"),
        ("- 1", "templates: missing"),
        ("", "templates: missing"),
        ("templates: [", "while parsing"),
        ("templates: [1]", r"templates: \[1\] given; input should be a valid dictionary"),
        ("templates: {a b: {}}", "'a b' given; up to 64 letters, digits"),
    ],
)
def test_templates_that_cannot_be_listed_are_named(base, tmp_path, text, reason):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(PolyheadError, match=f"cannot read the templates {re.escape(str(path))}: .*{reason}"):
        load_study({**base, "ablation": {"templates": str(path)}})


def test_a_missing_split_lists_the_splits_there_are(base):
    corpus = {"path": base["corpus"]["path"], "split": "tran"}
    with pytest.raises(PolyheadError, match="splits found there: held_out"):
        load_study({**base, "corpus": corpus})


def test_all_problems_are_told_at_once(base):
    with pytest.raises(PolyheadError, match="3 problems") as caught:
        load_study({**base, "prompts": 0, "hed": 1, "threshold": 2})
    assert str(caught.value).count("\n") == 3


def test_a_number_that_may_be_two_heads_is_refused_only_where_both_exist():
    assert parse_head(1.1, SHAPE) == (1, 1)
    assert parse_head(1.1, Shape(2, 10, 256, 100)) == (1, 1)
    with pytest.raises(PolyheadError, match=r'may mean "1\.1" or "1\.10"'):
        parse_head(1.1, WIDE)
    assert parse_head("1.10", WIDE) == (1, 10)
    assert parse_head("1.1", WIDE) == (1, 1)
    assert parse_head(1.4, WIDE) == (1, 4)


def test_a_slash_at_the_end_of_a_path_says_nothing(base):
    corpus = {"path": f"{base['corpus']['path']}/"}
    assert load_study({**base, "model": f"{base['model']}/", "corpus": corpus}) == load_study(base)


def test_the_reference_page_is_the_one_that_is_made():
    made = runpy.run_path(str(ROOT / "docs/config_reference.py"))["page"]()
    assert (ROOT / "docs/config.md").read_text(encoding="utf-8") == made


def test_paths_are_found_in_the_checkout_when_the_working_folder_lacks_them(base, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    places = {"model": "model", "corpus": {"path": "corpus"}, "ablation": {"tasks": []}}
    study = load_study({**base, **places}, tmp_path)
    assert (study.model, study.corpus.path) == ("../model", "../corpus")
