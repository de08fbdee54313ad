"""Lines and indents under tokenizers of many kinds, against a parser that reads the text alone."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from lookalikes import SENTENCEPIECE, SPLITS, lookalike

from polyhead.attention.behaviours import BEHAVIOURS, Context, line_indents

CONTEXT = 512
SOURCE = Path(__file__).parents[3] / "src/polyhead"
ODD = "if x:\n    \n\n    # 今天 é\n\n\ty = 1  \n  \tz = {\n  }\n"
TEXTS = [ODD, *((SOURCE / name).read_text(encoding="utf-8") for name in ("stats.py", "model/layer.py"))]


def slow_lines(text, spans):
    """Return indentation tokens with widths, and for every token what opens its line, by characters alone.

    `spans` are the places of the tokens in the text, which goes on before and after them.
    """
    owner = {place: i for i, (start, end) in enumerate(spans) for place in range(start, end)}
    widths, opening, runs = {}, {}, set()
    for run in re.compile(r"\n[ \t\n]*").finditer(text, spans[0][0]):
        if run.start() not in owner:
            break
        visible = owner.get(run.end(), len(spans))
        newline = text.rindex("\n", 0, run.end())
        last = visible if owner.get(newline) == visible else visible - 1
        widths[last] = len(text[newline + 1 : run.end()].expandtabs(8))
        runs |= {*range(owner[run.start()], last + 1)}
    for i in range(len(spans)):
        before = [j for j in widths if j < i]
        if before and i not in runs:
            opening[i] = max(before)
    return widths, opening


def slow_pairs(text, spans):
    """Return the pairs of each behaviour of lines; token 0 is BOS, those of `spans` come after it."""
    widths, opening = slow_lines(text, spans)
    pairs = [(i, j) for i in widths for j in widths if j < i]
    found = {
        "line_start": set(opening.items()),
        "indent_bigger": {(i, j) for i, j in pairs if widths[j] > widths[i]},
        "indent_same": {(i, j) for i, j in pairs if widths[j] == widths[i]},
        "indent_smaller": {(i, j) for i, j in pairs if widths[j] < widths[i]},
    }
    return {name: {(i + 1, j + 1) for i, j in some} for name, some in found.items()}


def windows(vocabulary):
    """Yield prompts: a text, tokens with BOS first, and the places in the text of all but BOS."""
    for text in [*TEXTS, *(text.replace("    ", "\t") for text in TEXTS)]:
        whole = vocabulary.tokenizer.encode(text, add_special_tokens=False)
        for first in range(0, len(whole.ids), CONTEXT - 1):
            some = slice(first, first + CONTEXT - 1)
            yield text, np.array([vocabulary.bos, *whole.ids[some]], np.int32), whole.offsets[some]


@pytest.mark.parametrize("name", [*SPLITS, SENTENCEPIECE])
def test_lines_and_indents_are_those_of_the_text(name):
    """They can differ only where a prompt ends in a run: what else the line begins with is not in it."""
    vocabulary, there = lookalike(name), Counter()
    for text, tokens, spans in windows(vocabulary):
        context = Context(tokens, line_indents(tokens, vocabulary), vocabulary.eos, 4)
        for behaviour, expected in slow_pairs(text, spans).items():
            found = {*zip(*(side.tolist() for side in BEHAVIOURS[behaviour](context)), strict=True)}
            cut_off = {len(tokens) - 1} if context.indent[-1] >= 0 else set()
            assert {dest for dest, _ in found ^ expected} <= cut_off, behaviour
            there[behaviour] += len(expected)
    assert min(there.values()) > 300
