"""What the package says it needs, what it imports, and what the lock holds are one list."""

import ast
import re
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "workflow", "tests", "notebooks", "training", "benchmarks")
TRAINING = {"datasketch"}
"""What the extra `training` adds; the library and a study do without."""
BUILD = Requirement("setuptools")
OF_THE_TESTS = {"packaging"}
"""Comes with pytest."""
NOT_IMPORTED = {
    "beartype": "named in tests/conftest.py, where jaxtyping imports it",
    "import-linter": "run by make lint",
    "ipykernel": "runs the notebooks",
    "grimp": "imported by workflow/rules/common.smk",
    "mypy": "run by make lint",
    "pytest-xdist": "run by make unit",
    "ruff": "run by make lint",
    "snakefmt": "run by make lint",
    "snakemake-executor-plugin-slurm": "named in profiles/slurm",
    "tabulate": "what pandas writes the tables of the model card with",
}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED = sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"])
REQUIREMENTS = {canonicalize_name(one.name): one for one in map(Requirement, DECLARED)}
LINES = [line.split("==") for line in (ROOT / "envs/requirements.lock").read_text().split()]
LOCK = {canonicalize_name(name): version for name, version in LINES}


def imported(folders):
    """Return the distributions whose modules the Python files in these folders import."""
    names = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
    modules = {name.split(".")[0] for name in names} - sys.stdlib_module_names
    found = packages_distributions()
    return {canonicalize_name(found[module][0]) for module in modules if module in found} - {"polyhead"}


def needed_by(requirements):
    """Return all distributions that these requirements need, themselves included, as installed here."""
    needed, waiting = set(), [(one.name, frozenset(one.extras)) for one in requirements]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in needed:
            continue
        needed.add((name, extras))
        for line in distribution(name).requires or []:
            one = Requirement(line)
            if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in (*extras, "")):
                waiting.append((canonicalize_name(one.name), frozenset(one.extras)))
    return {canonicalize_name(name) for name, _ in needed}


def test_every_import_is_a_declared_dependency():
    assert imported(FOLDERS) - OF_THE_TESTS <= set(REQUIREMENTS)
    runtime = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    assert imported(["src", "workflow", "notebooks", "benchmarks"]) <= runtime
    assert imported(["training"]) - {"pytest"} <= runtime | TRAINING
    assert not TRAINING & runtime


def test_every_declared_dependency_is_imported_or_run():
    assert set(REQUIREMENTS) - imported(FOLDERS) == set(NOT_IMPORTED)


def test_the_lock_holds_what_the_dependencies_need_in_their_ranges_and_nothing_else():
    assert [str(one) for name, one in REQUIREMENTS.items() if LOCK.get(name) not in one.specifier] == []
    needed, of_torch = needed_by([*REQUIREMENTS.values(), BUILD]), needed_by([REQUIREMENTS["torch"]])
    assert set(LOCK) - needed == set()
    assert needed - of_torch - set(LOCK) == set()  # a build of torch for a GPU brings libraries of its own
    local = [name for name, version in LOCK.items() if not re.fullmatch(r"[\w.]+", version)]
    assert local == [], "a public registry lacks local versions"
