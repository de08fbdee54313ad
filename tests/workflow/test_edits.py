"""After an edit of any source file every rule that reaches it is due, with what follows from it; no other is.

The finished smoke study and the checkout are copied, so that they lie to each other as before. In the copy
every file is edited in turn, and Snakemake itself says what is due: in one process, which builds the DAG once
and looks at the files again after each edit (tests/planner.py). What should be due is read by other means
than the workflow's: grimp knows what a module of the library imports, the scripts' imports are read by line.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

pytestmark = pytest.mark.workflow
ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "workflow/scripts").glob("[!_]*.py"))
MODULES = sorted((ROOT / "src/polyhead").rglob("*.py"))
PER_HEAD = {"workflow/scripts/per_head.py", "workflow/scripts/_script.py"}
OTHERS = {
    "config/templates.yaml": {"fill_templates"},
    "report/index.qmd": {"document"},
    "report/references.bib": {"document"},
    "report/explorer/explorer.js": {"explorer"},
    "workflow/rules/rows.smk": {"rulegraph"},
    "Snakefile": {"rulegraph"},
    "README.md": set(),
    "tests/conftest.py": set(),
}
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".snakemake", "results", "__pycache__", ".*_cache")


@pytest.fixture(scope="module")
def plans(finished, tmp_path_factory):
    """What Snakemake said after every edit, in a copy of checkout and study."""
    root = tmp_path_factory.mktemp("copy")
    checkout, study = (root / path.resolve().relative_to("/") for path in (ROOT, finished.folder))
    shutil.copytree(ROOT, checkout, ignore=NOT_COPIED)
    shutil.copytree(finished.folder, study, dirs_exist_ok=True)
    sources = [str(path.relative_to(ROOT)) for path in (*MODULES, *(ROOT / "workflow/scripts").glob("*.py"))]
    names = ["", *(str(checkout / name) for name in [*sources, *OTHERS])]
    command = [sys.executable, ROOT / "tests/planner.py", checkout / "Snakefile", study]
    run = subprocess.run(
        [*command, checkout / "config/smoke.yaml"],
        input="\n".join(names),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout.splitlines()[-1])
    prefix = f"{checkout}/"
    return {name.removeprefix(prefix): set(due) for name, due in said["due"].items()}, said["follow"]


@pytest.fixture(scope="module")
def importers():
    """The rules whose script reaches a module, by the module's path."""
    graph = grimp.build_graph("polyhead", cache_dir=None, exclude_type_checking_imports=True)
    for package in (name for name in graph.modules if name_of(name).endswith("__init__.py")):
        for lazily in graph.find_modules_directly_imported_by(package):
            graph.remove_import(importer=package, imported=lazily)
    reach: dict[str, set[str]] = {}
    for script in SCRIPTS:
        direct = imported_by(script, graph.modules) | imported_by(
            script.with_name("_script.py"), graph.modules
        )
        for module in direct.union(*(graph.find_upstream_modules(each) for each in direct)):
            reach.setdefault(name_of(module), set()).add(script.stem)
    return reach


def name_of(module):
    """Return the path of a module in the checkout."""
    path = ROOT / "src" / Path(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return str(file.relative_to(ROOT))


def imported_by(script, modules):
    """Return the library's modules that a script names in an import, submodules without their package."""
    found = re.findall(r"^ *from (polyhead[.\w]*) import \(?([\w, ]+)", script.read_text(), re.MULTILINE)
    pairs = [(module, f"{module}.{name.strip()}") for module, names in found for name in names.split(",")]
    return {inner if inner in modules else module for module, inner in pairs} & modules


def test_nothing_is_due_in_the_copy_as_it_is(plans):
    assert plans[0][""] == set()


def test_an_edit_of_a_module_makes_the_rules_due_that_reach_it_and_no_other(plans, importers):
    due, follow = plans
    for path in MODULES:
        name = str(path.relative_to(ROOT))
        assert due[name] == with_what_follows(importers.get(name, set()), follow), name
    assert any("rows" in rules for rules in due.values())


def test_an_edit_of_a_script_makes_its_rule_due_and_of_a_helper_all_that_use_it(plans):
    due, follow = plans
    for script in SCRIPTS:
        name = str(script.relative_to(ROOT))
        if name not in PER_HEAD:
            assert due[name] == with_what_follows({script.stem}, follow), name
    assert due["workflow/scripts/_script.py"] == set(follow)
    assert {"classify", "distribution", "ablate", "report"} <= due["workflow/scripts/per_head.py"]
    assert not {"sample", "rows", "fill_templates"} & due["workflow/scripts/per_head.py"]


@pytest.mark.parametrize("name", OTHERS)
def test_an_edit_of_another_file_makes_the_rules_due_that_read_it(plans, name):
    due, follow = plans
    assert (ROOT / name).is_file()
    assert due[name] == with_what_follows(OTHERS[name], follow)


def with_what_follows(rules, follow):
    """Return those of the rules that the study has, and all that depends on them."""
    here = set(rules) & set(follow)
    return here.union(*(follow[rule] for rule in here))
