# In:  STUDY.
# Out: helpers for inputs: files of this checkout, what they import, the model's card. No rules.
import re

import grimp

BASE = Path(workflow.basedir)


def checkout(name):
    """A file of this checkout, as seen from the working directory."""
    return os.path.relpath(BASE / name)


def checkout_files(folder, pattern="*"):
    """The files of a folder of this checkout."""
    return sorted(checkout(path) for path in (BASE / folder).glob(pattern) if path.is_file())


GRAPH = grimp.build_graph("polyhead", cache_dir=None, exclude_type_checking_imports=True)
for each in GRAPH.find_modules_directly_imported_by("polyhead"):  # on first use only (PEP 562)
    GRAPH.remove_import(importer="polyhead", imported=each)


def imported_by(name):
    """The library's files that a Python file of this checkout imports, all the way down."""
    text = (BASE / name).read_text(encoding="utf-8")
    found = re.findall(r"^ *from (polyhead[.\w]*) import (\([^)]*\)|.*)", text, re.MULTILINE)
    named = {f"{module}.{each}" for module, names in found for each in re.findall(r"\w+", names)}
    direct = GRAPH.modules & (named | {module for module, _ in found})
    modules = direct.union(*map(GRAPH.find_upstream_modules, direct))
    return sorted(map(library_file, modules))


def library_file(module):
    """The file of a module of the library."""
    path = BASE / "src" / module.replace(".", "/")
    return os.path.relpath(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))


def model_card():
    """The model's sizes and, where it has one, its evaluation."""
    evaluation = Path(STUDY.model, "evaluation.json")
    return [f"{STUDY.model}/config.json", *([str(evaluation)] if evaluation.is_file() else [])]
