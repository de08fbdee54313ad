"""What a notebook calls: the rows, labels and ablations of one head, against plain definitions."""

import doctest
import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from decoders import random_model
from toys import toy_tokenizer

import polyhead
from polyhead import interactive
from polyhead.attention.rows import patterns
from polyhead.errors import PolyheadError

ROOT = Path(__file__).parents[2]
FUNCTIONS = {*polyhead.__all__} - {"__version__", "OpenModel"}
REFERENCE = ROOT / "resources/reference-model"
TEXT = "    def total(self):\n        return self.value\n    def total(self):\n"


@pytest.fixture(scope="module")
def model(model_dir):
    return polyhead.open_model(model_dir)


def pattern_of(model, head, text):
    tokens = torch.from_numpy(model.to_tokens(text))[None]
    return patterns(model.model, [head], tokens)[0, 0].numpy()


def test_importing_the_package_loads_no_heavy_library():
    code = "import sys, polyhead; print([n for n in ('torch', 'pandas', 'numpy') if n in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


def test_every_exported_function_has_examples_that_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = doctest.DocTestFinder().find(interactive, "interactive")
    with_examples = {test.name.removeprefix("interactive.") for test in found if test.examples}
    assert with_examples >= FUNCTIONS
    assert all(inspect.getdoc(getattr(polyhead, name)) for name in FUNCTIONS)
    assert doctest.testmod(interactive).failed == 0


def test_the_example_in_the_readme_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    result = doctest.testfile(str(ROOT / "README.md"), module_relative=False, encoding="utf-8")
    assert result.failed == 0
    assert result.attempted >= 4


def test_a_row_holds_the_mass_on_the_sources_of_each_behaviour(model):
    rows = polyhead.attention_rows(model, "1.2", TEXT, window=2)
    pattern = pattern_of(model, (1, 2), TEXT)
    assert list(rows["position"]) == list(range(1, len(pattern)))
    for line, weights in zip(rows.itertuples(), pattern[1:], strict=True):
        assert line.bos == pytest.approx(weights[0], abs=1e-6)
        assert line.current == pytest.approx(weights[line.position], abs=1e-6)
        before = weights[max(1, line.position - 2) : line.position]
        assert line.previous == pytest.approx(before.sum(), abs=1e-6)
        assert (line.top_source, line.top_weight) == (weights.argmax(), pytest.approx(weights.max()))
        assert sum(line.atoms.values()) == pytest.approx(1, abs=1e-5)


def test_labels_are_those_of_the_masses_and_can_be_given_anew_without_the_model(model):
    rows = polyhead.attention_rows(model, "0.1", [TEXT, "self.value = 2"], threshold=0.2)
    inactive = rows["bos"] + rows["eos"] >= 0.2
    assert inactive.any()
    assert ((rows["label"] == "inactive") == inactive).all()
    assert (polyhead.label_rows(rows, threshold=0.2) == rows["label"]).all()
    some = rows.iloc[::3]
    again = polyhead.label_rows(some, "extended", threshold=0.4)
    alone = polyhead.attention_rows(model, "0.1", [TEXT, "self.value = 2"], "extended", 0.4)["label"]
    assert (again == alone.iloc[::3]).all()


def test_tokens_and_text_give_the_same_rows(model):
    pd.testing.assert_frame_equal(
        polyhead.attention_rows(model, "L1H0", TEXT),
        polyhead.attention_rows(model, "1.0", torch.from_numpy(model.to_tokens(TEXT))),
    )


@pytest.mark.parametrize("method", ["bos", "zero"])
def test_ablated_probabilities_are_those_of_a_run_with_the_edited_pattern(model, method):
    found = polyhead.ablate(model, "0.1", TEXT, [3, -1], method, top=None)
    tokens = torch.from_numpy(model.to_tokens(TEXT))[None]
    for place in (3, tokens.shape[1] - 1):
        expected = slow_ablation(model.model, tokens, layer=0, head=1, destination=place, method=method)
        mine = found[found["destination"] == place].set_index("token_label")["ablated"]
        np.testing.assert_allclose(mine[model.vocabulary.labels], expected, atol=1e-5)


def slow_ablation(model, tokens, layer, head, destination, method):
    """Return the next token's probabilities of a full run with one row of one pattern replaced."""
    residual = model.residual_before(0, tokens)
    for number, block in enumerate(model.layers):
        pattern = block.pattern(residual, [*range(block.n_heads)])
        if number == layer:
            pattern[:, head, destination] = 0
            pattern[:, head, destination, 0] = 1 if method == "bos" else 0
        residual = residual + block.write(pattern @ block.split(block.attn.v(block.ln1(residual))))
    return model.logits(residual)[0, -1].softmax(-1).detach().numpy()


def test_the_clean_column_does_not_depend_on_where_the_head_is_ablated(model):
    found = polyhead.ablate(model, "0.1", TEXT, np.array([2, 5]), top=None).set_index(
        ["destination", "token_label"]
    )
    np.testing.assert_allclose(found.loc[2, "clean"].sort_index(), found.loc[5, "clean"].sort_index())
    assert found.loc[2, "clean"].sum() == pytest.approx(1, abs=1e-4)
    one = polyhead.ablate(model, "0.1", TEXT, np.int32(2), top=3)
    assert set(one["destination"]) == {2}


@torch.inference_mode()
def test_an_edge_cost_is_what_a_run_without_the_class_loses(model):
    """At destination 7, the source before it alone is `previous` with a window of 1."""
    place, tokens = 7, torch.from_numpy(model.to_tokens(TEXT))[None]
    block, residual = model.model.layers[0], model.model.residual_before(0, tokens)
    pattern, values = (
        block.pattern(residual, [*range(block.n_heads)]),
        block.split(block.attn.v(block.ln1(residual))),
    )
    mixed = pattern @ values
    lost = pattern[0, 1, place, place - 1]
    mixed[0, 1, place] += lost * (mixed[0, 1, 1:].mean(0) - values[0, 1, place - 1])
    edited = residual + block.write(mixed)
    logs = [model.model.layers[1](one) for one in (block(residual), edited)]
    clean, cut = (model.model.logits(one)[0, place].log_softmax(-1)[tokens[0, place + 1]] for one in logs)
    [found] = polyhead.edge_costs(model, "0.1", TEXT, window=1).query("position == @place")["previous"]
    assert found == pytest.approx(float(clean - cut), abs=1e-5)
    assert abs(found) > 1e-4


def test_a_model_is_opened_in_whatever_way_a_config_names_it(tmp_path):
    """Sharded, tokens as dictionaries, more ids than tokens; as transformers saves it."""
    random_model("llama").save_pretrained(tmp_path, max_shard_size="20kB")
    toy_tokenizer().save(str(tmp_path / "tokenizer.json"))
    roles = {"bos_token": {"content": "<|BOS|>"}, "eos_token": "<|EOS|>", "add_bos_token": False}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(roles))
    with pytest.raises(PolyheadError, match=r"opening_token: missing; .* the model names '<\|BOS\|>'"):
        polyhead.open_model(tmp_path)
    found = [
        polyhead.open_model(way, "<|EOS|>") for way in (tmp_path, f"{tmp_path}/", {"repo": str(tmp_path)})
    ]
    rows = [polyhead.attention_rows(model, "1.2", [1, 50, 370, 51]) for model in found]
    assert rows[0]["token_label"].tolist()[1] == "#370"
    pd.testing.assert_frame_equal(rows[0], rows[1])
    pd.testing.assert_frame_equal(rows[0], rows[2])
    assert len(polyhead.ablate(found[0], "1.2", "x = 1", -1, top=None)) == found[0].shape.d_vocab == 384


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: polyhead.edge_costs(m, "9.0", TEXT), "no head 9.0"),
        (lambda m: polyhead.attention_rows(m, "9.0", TEXT), "no head 9.0"),
        (lambda m: polyhead.attention_rows(m, "0.0", TEXT, taxonomy="posts"), "there are post, extended"),
        (lambda m: polyhead.attention_rows(m, "0.0", TEXT, threshold=9.5), "at most 1"),
        (lambda m: polyhead.attention_rows(m, "0.0", [5, 6, 7]), "BOS"),
        (lambda m: polyhead.attention_rows(m, "0.0", np.array([0, 5.7])), "BOS"),
        (lambda m: polyhead.attention_rows(m, "0.0", []), "no prompt given"),
        (lambda m: polyhead.attention_rows(m, "0.0", "a\ud800b"), "half a surrogate pair"),
        (lambda m: polyhead.attention_rows(m, "0.0", [0, 10**6]), "numbers from 0 to"),
        (lambda m: polyhead.attention_rows(m, "0.0", "x = 1\n" * 99), "the model reads 64"),
        (lambda m: polyhead.open_model("no/such"), "^model 'no/such' does not exist"),
        (lambda m: polyhead.open_model(""), "^model: '' given; a path is needed"),
        (lambda m: polyhead.open_model({"repos": "a/b"}), "model.repos: unknown key; did you mean 'repo'"),
        (
            lambda m: polyhead.open_model("resources/reference-model", "x"),
            "opening_token: given; the model's",
        ),
        (lambda m: polyhead.ablate(m, "0.0", TEXT, 0), "0 is BOS"),
        (lambda m: polyhead.ablate(m, "0.0", TEXT, np.array([2.5])), "no destination 2.5"),
        (lambda m: polyhead.ablate(m, "0.0", TEXT, []), "no destination given"),
        (lambda m: polyhead.attention_rows(m, "0.0", TEXT, window=0), "window: 0 given"),
        (lambda m: polyhead.explore(m, "0.0", TEXT, threshold=2.0), "threshold: 2.0 given"),
        (lambda m: polyhead.ablate(m, "0.0", TEXT, 1, method="mean"), "there are bos, zero"),
    ],
)
def test_bad_input_is_told_in_one_clear_message(model, call, says):
    with pytest.raises(PolyheadError, match=says):
        call(model)
