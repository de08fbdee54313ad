"""A study in which there is next to nothing to count, draw or compare still ends in a report."""

import json

import pytest

pytestmark = pytest.mark.workflow

CONFIG = [
    "prompts=1",
    "context=2",
    "atlas_prompts=1",
    "destination_tokens={named: [], frequent: 0, unlike: 0}",
    "ablation={tasks: [], real_text_prompts: 1}",
]


@pytest.mark.long
def test_one_prompt_of_two_tokens_and_no_destination_token_give_a_report(empty):
    empty.run("--config", *CONFIG)
    results = empty.folder / "results/smoke"
    assert json.loads((results / "numbers.json").read_text(encoding="utf-8"))
    assert (results / "report/index.pdf").read_bytes().startswith(b"%PDF")
