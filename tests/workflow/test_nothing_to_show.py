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
    numbers = json.loads((results / "numbers.json").read_text(encoding="utf-8"))
    assert numbers["data/tokens"]["value"] == 2
    beside = [key for key, number in numbers.items() if "scarcity" in number["source"]]  # of other models
    assert [key for key, number in numbers.items() if number["low"] is not None and key not in beside] == []
    assert "No destination token is looked at on its own" in (results / "report/index.html").read_text(
        "utf-8"
    )
