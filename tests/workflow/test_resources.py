"""Every job says what it needs, and asks for more when it is tried again."""

import re
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "workflow/rules"
BLOCKS = {
    match[1]: match[2]
    for path in sorted(RULES.glob("*.smk"))
    for match in re.finditer(r"^ *rule (\w+):\n((?: .*\n|\n)+)", path.read_text(), re.M)
    if "script:" in match[2]
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_rule_names_threads_memory_and_time(name):
    assert re.search(r"^ +threads: ", BLOCKS[name], re.M)
    assert re.search(r"mem_mb=memory\(\d+( \+ .+)?\),", BLOCKS[name])
    assert re.search(r"runtime=minutes\(\d+\),", BLOCKS[name])
