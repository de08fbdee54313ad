"""An edit of the library makes the rules due whose scripts reach it, and no others."""

import os
import time

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


@pytest.mark.parametrize(("name", "due", "not_due"), EDITS, ids=[edit[0] for edit in EDITS])
def test_an_edit_makes_due_what_depends_on_it(finished, name, due, not_due):
    path = finished.checkout / name
    stat, now = path.stat(), time.time() + 5
    os.utime(path, (now, now))
    try:
        planned = finished.planned("--rerun-triggers", "mtime")
    finally:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert due <= planned
    assert not not_due & planned
