"""What a study says of its model beside TransformerLens: how far apart they are, or why not compared."""

import pytest
import torch
from decoders import VOCABULARY, random_model

from polyhead.errors import PolyheadError
from polyhead.model import lens


def test_a_native_model_is_nearly_the_same(model_dir, prompts):
    found = lens.compared_to_lens(model_dir, prompts.tolist())
    assert (found["prompts"], found["not_compared"]) == (2, "")
    assert found["patterns"] < 1e-5
    assert found["logits"] < 1e-5 * max(found["largest_logit"], 1)


def test_a_model_of_transformers_is_nearly_the_same(tmp_path, tokenizer_path):
    random_model("llama").save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_path.read_bytes())
    tokens = torch.randint(3, VOCABULARY, (1, 40), generator=torch.Generator().manual_seed(1))
    found = lens.compared_to_lens(tmp_path, tokens.tolist())
    assert (found["prompts"], found["not_compared"]) == (1, "")
    assert 0 < found["patterns"] < 1e-5
    assert 0 < found["logits"] < 1e-5 * found["largest_logit"]


@pytest.mark.parametrize("error", [PolyheadError, KeyError, NotImplementedError])
def test_what_transformer_lens_lacks_is_said(model_dir, prompts, monkeypatch, error):
    def lacks(directory):
        raise error("no such architecture")

    monkeypatch.setattr(lens, "open_bridge", lacks)
    found = lens.compared_to_lens(model_dir, prompts.tolist())
    assert "no such architecture" in found["not_compared"]
    assert "patterns" not in found
