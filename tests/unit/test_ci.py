"""The workflow file of the server calls targets of the Makefile, and files, that exist."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
JOB = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]["test"]
COMMANDS = "\n".join(step.get("run", "") for step in JOB["steps"])
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PHONY = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[1].split()


def test_what_it_makes_are_targets_of_the_makefile():
    made = re.findall(r"\bmake ([a-z]+)", COMMANDS)
    assert "test" in made
    assert set(made) <= set(PHONY)


def test_every_target_that_is_no_file_has_a_rule():
    assert set(PHONY) <= set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def test_the_files_that_it_names_are_there():
    named = re.findall(r"\b(?:tests|config|envs)/[\w./-]+|\.ci/[\w.-]+", COMMANDS)
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_it_runs_on_the_oldest_python_that_the_package_allows_and_on_newer_ones():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = JOB["strategy"]["matrix"]["python"]
    assert project["requires-python"] == f">={versions[0]}"
    assert all(isinstance(version, str) for version in versions)  # 3.10 without quotes is the number 3.1
    assert len(versions) > 1
    assert f"python{versions[-1]}" in MAKEFILE


@pytest.mark.parametrize("tool", ["ruff", "snakefmt", "lint-imports", "mypy"])
def test_a_commit_is_held_to_what_lint_holds_it_to(tool):
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0][
        "hooks"
    ]
    assert any(hook["entry"].startswith(f".venv/bin/{tool}") for hook in hooks)
    assert re.search(rf"^\t{tool}\b", MAKEFILE, re.MULTILINE)
