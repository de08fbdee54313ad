"""What the package says it needs, what it imports, and what the lock holds are one list."""

import ast
import re
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
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
    "snakemake": "imports the rules' files",
    "grimp": "imported by workflow/rules/common.smk",
    "mypy": "run by make lint",
    "pytest-xdist": "run by make unit",
    "ruff": "run by make lint",
    "snakefmt": "run by make lint",
    "snakemake-executor-plugin-slurm": "named in profiles/slurm",
    "snakemake-logger-plugin-rich": "named in profiles/default",
    "tabulate": "what pandas writes the tables of the model card with",
}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def requirements(project):
    lines = sum(project["optional-dependencies"].values(), project["dependencies"])
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}


@pytest.fixture(scope="module")
def lock():
    lines = (ROOT / "envs/requirements.lock").read_text().split()
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


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


def test_every_import_is_a_declared_dependency(project, requirements):
    assert imported(FOLDERS) - OF_THE_TESTS <= set(requirements)
    runtime = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    assert imported(["src", "workflow", "notebooks", "benchmarks"]) <= runtime
    assert imported(["training"]) - {"pytest"} <= runtime | TRAINING
    assert not TRAINING & runtime


def test_every_declared_dependency_is_imported_or_run(requirements):
    assert set(requirements) - imported(FOLDERS) == set(NOT_IMPORTED)


def test_the_lock_satisfies_every_declared_range(requirements, lock):
    assert [str(one) for name, one in requirements.items() if lock.get(name) not in one.specifier] == []


def test_the_lock_holds_what_the_dependencies_need_and_nothing_else(requirements, lock):
    needed, of_torch = needed_by([*requirements.values(), BUILD]), needed_by([requirements["torch"]])
    assert set(lock) - needed == set()
    assert needed - of_torch - set(lock) == set()  # a build of torch for a GPU brings libraries of its own


def test_no_pin_asks_for_a_local_version_that_a_public_registry_lacks(lock):
    assert [name for name, version in lock.items() if not re.fullmatch(r"[\w.]+", version)] == []
