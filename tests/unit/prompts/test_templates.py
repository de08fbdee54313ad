"""Templates: filling by hand, every refusal, and the file that the project ships."""

import re
from pathlib import Path

import numpy as np
import pytest
from lookalikes import SENTENCEPIECE, lookalike
from toy_templates import TEMPLATE, file_of, fill_toy

from polyhead.attention.behaviours import BEHAVIOURS
from polyhead.attention.rows import prompt_contexts
from polyhead.errors import PolyheadError
from polyhead.files import write_json
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.template_listing import listing
from polyhead.prompts.templates import all_filled, fill, fill_tasks, read_task, read_templates


def test_a_filled_template_by_hand(tmp_path, words):
    task = fill_toy(tmp_path, words)
    labels = [words.labels[token] for token in task.tokens[0]]
    name = labels[2]
    expected = ["<|BOS|>", "def", name, ":", "⏎[·×3]", "·if", name, ":", "⏎[·×3]"]
    assert labels == expected
    assert [words.labels[token] for token in task.answers] == ["·else"] * 4
    assert (task.destination, task.source, task.slots) == (8, 5, [2, 4, 6])
    assert len({tuple(prompt) for prompt in task.tokens.tolist()}) == 4


def test_words_with_and_without_their_space(tmp_path, words):
    lines = ["class {A}{B}({P}):", "{indent} {source}{destination}{answer}"]
    slots = {"A, answer": "names", "B": "names", "P": "names", "indent": ["\n   "]}
    slots |= {"source": ["self"], "destination": ["("]}
    task = fill_toy(tmp_path, words, slots=slots, variants=[{"lines": lines}])
    for prompt, answer in zip(task.tokens, task.answers, strict=True):
        a, b, p = (words.texts[prompt[i]] for i in (2, 3, 5))
        assert a == " " + words.texts[answer]
        assert len({a.strip(), b, p}) == 3


def test_the_seed_decides(tmp_path, words):
    first, again, other = (fill_toy(tmp_path, words, seed=seed).tokens.tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_variants_take_turns(tmp_path, words):
    lines = TEMPLATE["variants"][0]["lines"]
    variants = [
        {"lines": lines, "slots": {"source, answer": [["if", "else"]]}},
        {"lines": lines, "slots": {"source, answer": [["pass", "def"]]}},
    ]
    task = fill_toy(tmp_path, words, variants=variants)
    assert [words.labels[token] for token in task.answers] == ["·else", "·def"] * 2


def test_a_task_survives_its_file(tmp_path, words):
    task = fill_toy(tmp_path, words)
    write_json(tmp_path / "task.json", task.as_json())
    again = read_task(tmp_path / "task.json")
    assert again.as_json() == task.as_json()
    assert isinstance(again.tokens, np.ndarray)


@pytest.mark.parametrize("name", [SENTENCEPIECE, "newline and spaces apart", "Llama 3"])
def test_templates_can_be_filled_whatever_the_tokenizer(tmp_path, name):
    """Spaces in front of words and of the text, newlines that are bytes, characters of several bytes."""
    vocabulary = lookalike(name)
    words = {"x": ["value", "other"], "y": ["key", "width"], "source": ["return"], "destination": ["if"]}
    lines = ["{x}.é {y}\n {source}(\n {destination}:{answer}"]
    changes = {"words": [], "slots": words | {"answer": ["self"]}, "variants": [{"lines": lines}]}
    task = fill_toy(tmp_path, vocabulary, **changes)
    for prompt in task.tokens:
        texts = [vocabulary.texts[token].strip(" ") for token in prompt]
        assert [texts[place] for place in (task.source, task.destination)] == ["return", "if"]
        assert {texts[place] for place in task.slots} <= {"value", "other", "key", "width"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"words": ["red", "greenish"]},
            r"'toy' cannot.*slot 'x', word 'greenish' is not one token.*gre.* \| ",
        ),
        ({"prompts": 7}, r"7 distinct prompts asked for, but its words give only about 6"),
        ({"slots": TEMPLATE["slots"] | {"x": [["a b"]]}}, r"word 'a b'.*a \| · \| b"),
        (
            {"slots": TEMPLATE["slots"] | {"source, answer": [["if", "elsewhere"]]}},
            r"slot 'answer', word 'elsewhere' is not one token here: ·else \| ",
        ),
        ({"context": 8}, r"'toy' is 9 tokens long; the model reads 8"),
        (
            {
                "variants": TEMPLATE["variants"]
                + [{"lines": ["{x} {x}{indent} {source}{destination} {answer}"]}]
            },
            r"differ in length or in the places of the roles",
        ),
        (
            {
                "slots": {"x": "names", "source": ["if"], "destination": [" else"], "answer": ["else"]},
                "variants": [{"lines": ["{x} {source}{destination} {answer}"]}],
            },
            r"the answer is already the last token of the prompt",
        ),
    ],
)
def test_templates_that_cannot_be_filled(tmp_path, words, changes, message):
    with pytest.raises(PolyheadError, match=re.compile(message, re.DOTALL)):
        fill_toy(tmp_path, words, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"promts": 3}, r"templates\.toy\.promts"),
        ({"behaviour": ["inducktion"]}, r"unknown behaviour 'inducktion'"),
        ({"slots": TEMPLATE["slots"] | {"x": "nouns"}}, r"names the word list 'nouns'; there are names"),
        ({"slots": TEMPLATE["slots"] | {"x, y": [["a", "b", "c"]]}}, r"'x, y' need 2 words in every row"),
        ({"variants": [{"lines": ["{x} {source} {destination} {answer} {y}"]}]}, r"\{y\} is in the text"),
        ({"variants": [{"lines": ["{x} {destination} {answer}"]}]}, r"\{source\} must be .* exactly once"),
        ({"variants": [{"lines": ["{answer} {source} {destination}"]}]}, r"must end in \{answer\}"),
        ({"variants": [{"lines": ["{destination} {source} {answer}"]}]}, r"\{source\} comes after \{dest"),
    ],
)
def test_templates_that_are_not_well_formed(tmp_path, changes, message):
    with pytest.raises(PolyheadError, match=message):
        file_of(tmp_path, **changes)


def test_a_template_that_does_not_exist(tmp_path, words):
    with pytest.raises(PolyheadError, match="no template 'toi'; there are toy"):
        fill("toi", file_of(tmp_path), words, 64, 0)


ROOT = Path(__file__).parents[3]


def test_the_shipped_templates_fit_the_reference_model():
    file = read_templates(ROOT / "config" / "templates.yaml")
    vocabulary = open_vocabulary(ROOT / "resources" / "reference-model" / "tokenizer.json")
    tasks = {name: fill(name, file, vocabulary, 256, seed=0) for name in file.templates}
    assert {name: len(tasks[name].tokens) for name in ("induction", "bigger_indentation", "previous")} == {
        "induction": 120,
        "bigger_indentation": 50,
        "previous": 50,
    }
    for task in tasks.values():
        assert task.destination == task.tokens.shape[1] - 1, (
            "as in the post, the last token is the destination"
        )
        assert len(np.unique(task.tokens, axis=0)) == len(task.tokens)
    pairs = {
        name: {tuple(pair) for pair in zip(task.tokens[:, task.source], task.answers, strict=True)}
        for name, task in tasks.items()
    }
    assert len(pairs["induction"]) == 3
    assert len(pairs["same_depth"]) == 2


def test_the_source_token_shows_the_expected_behaviour():
    file = read_templates(ROOT / "config" / "templates.yaml")
    vocabulary = open_vocabulary(ROOT / "resources" / "reference-model" / "tokenizer.json")
    for name in file.templates:
        task = fill(name, file, vocabulary, 256, seed=1)
        for context in prompt_contexts(task.tokens, vocabulary, window=4):
            pairs = [BEHAVIOURS[behaviour](context) for behaviour in task.behaviour]
            found = np.concatenate([src[dest == task.destination] for dest, src in pairs])
            assert task.source in found, name


def write_model_files(folder, words):
    words.tokenizer.save(str(folder / "tokenizer.json"))
    sizes = {"n_layers": 1, "n_heads": 1, "n_ctx": 64, "d_vocab": 400, "attn_only": True}
    write_json(folder / "config.json", sizes | {"normalization_type": "LN"})


def test_the_tasks_that_can_be_filled_are_named_with_those_that_cannot(tmp_path, words):
    write_model_files(tmp_path, words)
    bad = TEMPLATE | {"slots": TEMPLATE["slots"] | {"x": ["zyzzyva"]}}
    content = {
        "words": {"names": ["red", "green", "blue", "name"]},
        "templates": {"bad": bad, "good": TEMPLATE},
    }
    write_json(tmp_path / "templates.yaml", content)
    file = read_templates(tmp_path / "templates.yaml")
    [task] = all_filled(fill_tasks(file, ["good"], tmp_path, 0))
    assert task.name == "good"
    named = r"(?s)'zyzzyva' is not .*\nthe others can be filled: ablation: {tasks: \[good\]} leaves these out"
    with pytest.raises(PolyheadError, match=named):
        all_filled(fill_tasks(file, ["bad", "good"], tmp_path, 0))
    none = r"\nnone can be filled .* ablation: {tasks: \[\]} leaves them out"
    with pytest.raises(PolyheadError, match=none):
        all_filled(fill_tasks(file, ["bad"], tmp_path, 0))


def test_a_listing_shows_prompts_and_names_what_is_wrong(tmp_path, words):
    write_model_files(tmp_path, words)

    def listed(used, **changes):
        file = file_of(tmp_path, **changes)
        found = fill_tasks(file, file.templates, tmp_path, 0)
        return "\n".join(map(str, listing(found, used, words.labels)))

    good = listed(["toy"])
    assert "not in ablation.tasks" not in good
    assert "·if│" in good
    assert "4 prompts of 9 tokens" in good
    bad = listed([], words=["greenish"])
    assert "not in ablation.tasks" in bad
    assert "'greenish' is not one token here" in bad
