"""A toy template and a vocabulary in which its words are single tokens."""

import pytest
import yaml
from toys import toy_tokenizer

from polyhead.attention.behaviours import BEHAVIOURS
from polyhead.model.vocabulary import Vocabulary
from polyhead.prompts.templates import fill, read_templates

WORDS = "red green blue def class self pass name value data else if"
TEMPLATE = {
    "title": "Toy",
    "behaviour": ["induction"],
    "prompts": 4,
    "slots": {"indent, destination": ["\n   "], "x": "names", "source, answer": [["if", "else"]]},
    "variants": [{"lines": ["def {x}:", "{indent} {source} {x}:", "{destination} {answer}"]}],
}


@pytest.fixture(scope="module")
def words():
    """A vocabulary in which every word of WORDS is one token, with and without a space before it."""
    text = "".join(f"{word}({word}):\n    {word}\n        {word} {word}\n" for word in WORDS.split())
    return Vocabulary(toy_tokenizer([text] * 3, 2000), 0, 1, 2)


def file_of(tmp_path, words=("red", "green", "blue", "name", "value", "data"), **changes):
    path = tmp_path / "templates.yaml"
    content = {"words": {"names": list(words)}, "templates": {"toy": TEMPLATE | changes}}
    path.write_text(yaml.safe_dump(content, allow_unicode=True))
    return read_templates(path, BEHAVIOURS)


def fill_toy(tmp_path, vocabulary, context=64, seed=0, **changes):
    return fill("toy", file_of(tmp_path, **changes), vocabulary, context, seed)
