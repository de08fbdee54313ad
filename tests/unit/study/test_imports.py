"""Imports read from source text: small packages written by hand."""

import ast
import gc

import pytest

from polyhead.study.imports import reached


@pytest.fixture
def tree(tmp_path):
    """Write files under src/ and scripts/; return a function that names what scripts/job.py reaches."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("INIT", "__init__")
            path = path.with_name(f"{path.name}.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        found = reached(tmp_path / "scripts/job.py", tmp_path / "src")
        return [str(path.relative_to(tmp_path)) for path in found]

    return write


FORMS = {
    "import p.a": ["src/p/a.py"],
    "import p.a as short": ["src/p/a.py"],
    "import json, p.a": ["src/p/a.py"],
    "from p.a import thing": ["src/p/a.py"],
    "from p import a": ["src/p/a.py"],
    "from p import a as short": ["src/p/a.py"],
    "from p import VERSION": ["src/p/__init__.py"],
    "from p import VERSION, a": ["src/p/__init__.py", "src/p/a.py"],
    "from p.a import *": ["src/p/a.py"],
    "from helper import thing": ["scripts/helper.py"],
    "def late():\n    from p import a": ["src/p/a.py"],
    "with open('x'):\n    try:\n        import p.a\n    except ImportError:\n        import p.b": [
        "src/p/a.py",
        "src/p/b.py",
    ],
    "match x:\n    case 1:\n        import p.a": ["src/p/a.py"],
    "class A:\n    def late(self):\n        for x in y:\n            import p.a": ["src/p/a.py"],
    "while x:\n    pass\nelse:\n    import p.a": ["src/p/a.py"],
    "try:\n    pass\nfinally:\n    import p.a": ["src/p/a.py"],
    "if TYPE_CHECKING:\n    import p.a": [],
    "if typing.TYPE_CHECKING:\n    import p.a\nelse:\n    import p.b": ["src/p/b.py"],
    "if not TYPE_CHECKING:\n    import p.a": ["src/p/a.py"],
    "if CHECKED or TYPE_CHECKING:\n    import p.a": ["src/p/a.py"],
    "import numpy.linalg\nfrom os import path": [],
    "text = 'import p.a'": [],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_import_is_followed(tree, form):
    package = {"src__p__INIT": "VERSION = 1", "src__p__a": "", "src__p__b": "", "scripts__helper": ""}
    assert tree(**package, scripts__job=form) == FORMS[form]


def test_imports_are_followed_all_the_way_down_and_in_circles(tree):
    files = {"src__p__a": "import p.b", "src__p__b": "from p import c", "src__p__c": "import p.a"}
    assert tree(**files, src__p__d="", scripts__job="import p.a") == [f"src/p/{x}.py" for x in "abc"]


def test_relative_imports_start_at_the_package_of_the_file(tree):
    files = {
        "src__p__q__a": "from . import b\nfrom .c import thing\nfrom .. import d\nfrom ..r.e import thing",
    }
    more = dict.fromkeys(["src__p__q__b", "src__p__q__c", "src__p__d", "src__p__r__e"], "")
    found = tree(**files, **more, scripts__job="from p.q import a")
    assert found == [f"src/p/{x}.py" for x in ("d", "q/a", "q/b", "q/c", "r/e")]


def test_a_relative_import_of_a_package_starts_at_the_package_itself(tree):
    files = {"src__p__q__INIT": "from .f import thing", "src__p__q__f": ""}
    found = tree(**files, scripts__job="from p.q import thing")
    assert found == ["src/p/q/__init__.py", "src/p/q/f.py"]


LAZY = """
VERSION = 1

def __getattr__(name):
    from p.heavy import thing
    return thing
"""


def test_what_a_package_exports_lazily_does_not_count(tree):
    package = {"src__p__INIT": LAZY, "src__p__heavy": "", "src__p__a": "from p import VERSION"}
    assert tree(**package, scripts__job="import p.a") == ["src/p/__init__.py", "src/p/a.py"]


def test_a_name_exported_lazily_is_refused_as_nothing_says_where_it_comes_from(tree):
    package = {"src__p__INIT": LAZY, "src__p__heavy": ""}
    with pytest.raises(ImportError, match="exports thing lazily; import it from the module that defines it"):
        tree(**package, scripts__job="from p import thing")


def test_no_syntax_tree_is_kept_as_python_would_search_it_for_garbage_all_along(tree):
    before = syntax_trees()
    tree(src__p__INIT=LAZY, src__p__a="from p import VERSION", scripts__job="import p.a")
    assert syntax_trees() == before


def syntax_trees():
    return sum(type(each) is ast.Module for each in gc.get_objects())
