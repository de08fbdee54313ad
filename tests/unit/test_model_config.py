"""The config's sections for models and data sets that are fetched."""

import json

import pytest

from polyhead.config import load_study, model_source
from polyhead.errors import PolyheadError

SHAPE = {"n_layers": 4, "n_heads": 8, "n_ctx": 1024, "d_vocab": 400}
MODEL = {"repo": "owner/model", "revision": "a" * 40, "shape": SHAPE}
CORPUS = {"repo": "owner/tokens", "split": "train"}
STUDY = {"study": "mine", "model": MODEL, "corpus": CORPUS, "context": 1024, "head": "1.4"}


def test_a_model_to_fetch_is_read_from_the_study_s_results():
    study = load_study(STUDY)
    assert study.model == "results/mine/model"
    assert study.corpus.where == "train of owner/tokens"
    assert model_source(STUDY).repo == "owner/model"


def test_a_native_directory_is_read_where_it_is(tmp_path):
    fields = {**SHAPE, "attn_only": True, "normalization_type": "LN"}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).touch()
    config = {**STUDY, "model": str(tmp_path)}
    assert load_study(config).model == str(tmp_path)
    assert model_source(config) is None


@pytest.mark.parametrize("missing", ["tokenizer.json", "model-00001-of-00001.safetensors"])
@pytest.mark.parametrize("as_section", [False, True])
def test_a_hugging_face_directory_that_lacks_a_file_is_refused(tmp_path, missing, as_section):
    fields = {"model_type": "gpt2", "n_layer": 2, "n_head": 8, "n_positions": 1024, "vocab_size": 400}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    for name in ("model-00001-of-00001.safetensors", "tokenizer.json"):
        (tmp_path / name).touch()
    model = {"repo": str(tmp_path)} if as_section else str(tmp_path)
    assert load_study({**STUDY, "model": model}).head == ["1.4"]
    (tmp_path / missing).unlink()
    with pytest.raises(PolyheadError) as error:
        load_study({**STUDY, "model": model})
    assert "is missing" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"repo": "a/b", "revison": "x"}}, "model.revison: unknown key; did you mean 'revision'?"),
        ({"model": {"revision": "x"}}, "model.repo: missing"),
        ({"model": {"repo": "a/b"}}, "model.shape: missing; a/b is not a directory"),
        ({"model": {**MODEL, "shape": {**SHAPE, "n_layers": 0}}}, "model.shape.n_layers: 0 given"),
        ({"model": {**MODEL, "tokenizer": {"rep": "a/b"}}}, "model.tokenizer.rep: unknown key; did you mean"),
        ({"model": {**MODEL, "sha256": {"x": "abc"}}}, "model.sha256.x: 'abc' given"),
        ({"model": "a/b"}, "model 'a/b' does not exist"),
        ({"head": "4.0"}, "head: the model has no head 4.0; its heads are 0.0 to 3.7"),
        ({"context": 1025}, "context: 1025 given; the model owner/model reads at most 1024"),
        ({"corpus": {**CORPUS, "sequences": 0}}, "corpus.sequences: 0 given"),
        ({"sample": {"megabytes": 0}}, "sample.megabytes: 0 given"),
        ({"sample": {"exakt": True}}, "sample.exakt: unknown key; did you mean 'exact'?"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_fetched(change, message):
    with pytest.raises(PolyheadError) as error:
        load_study({**STUDY, **change})
    assert message in str(error.value)


def test_a_head_left_to_the_selection_is_none_until_it_has_been_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {**STUDY, "head": "auto", "ablation": {"tasks": []}}
    assert load_study(config).head == []
    (tmp_path / "results/mine").mkdir(parents=True)
    (tmp_path / "results/mine/selection.json").write_text('{"winner": "2.3"}')
    assert load_study(config).head == ["2.3"]


def test_a_head_cannot_be_left_to_the_selection_without_text_to_choose_on(model_dir, tmp_path):
    (tmp_path / "held_out.parquet").touch()
    config = {"model": str(model_dir), "context": 8, "corpus": {"path": str(tmp_path)}}
    config |= {"head": "auto"}
    with pytest.raises(PolyheadError, match="head: auto needs text to choose on"):
        load_study(config)
    named = load_study({**config, "head": "0.1"})
    assert named.selection.prompts == 0
