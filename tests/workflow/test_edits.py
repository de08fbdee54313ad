"""An edit of the library makes the rules due whose scripts reach it, and no others."""

import os
import shutil
from dataclasses import replace

import pytest

pytestmark = pytest.mark.workflow

EDITS = [
    ("src/polyhead/attention/behaviours.py", {"rows", "atlas", "edges"}, {"sample"}),
    ("src/polyhead/ablation/patching.py", {"ablate", "tasks_by_heads"}, {"sample", "rows", "label"}),
    ("src/polyhead/mechanism/scores.py", {"mechanism"}, {"rows", "ablate", "edges"}),
    ("src/polyhead/report/values.py", {"document"}, {"rows", "edges", "mechanism"}),
    ("workflow/scripts/label.py", {"label"}, {"sample", "rows"}),
    ("src/polyhead/interactive.py", set(), {"sample", "rows", "document"}),
]


@pytest.fixture(scope="module")
def edited(finished, tmp_path_factory):
    """The finished study, seen from a copy of the checkout, which may be edited."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("src", "workflow", "report", "config", "profiles", "envs"):
        shutil.copytree(finished.checkout / name, checkout / name)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(finished.checkout / name, checkout)
    (checkout / "resources").symlink_to(finished.checkout / "resources")
    return replace(finished, checkout=checkout)


@pytest.mark.parametrize(("name", "due", "not_due"), EDITS, ids=[edit[0] for edit in EDITS])
def test_an_edit_makes_due_what_depends_on_it(edited, name, due, not_due):
    path = edited.checkout / name
    content, stat = path.read_bytes(), path.stat()
    path.write_bytes(content + b"# edited\n")
    planned = edited.planned("--rerun-triggers", "mtime").keys()
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert due <= planned
    assert not not_due & planned
