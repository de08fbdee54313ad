"""The smoke study gives the numbers that were accepted last."""

import pytest
from golden import complaint, differences, golden_values, read_kept

pytestmark = pytest.mark.workflow


def test_the_smoke_study_gives_the_accepted_numbers(finished):
    changed = differences(read_kept(), golden_values(finished.folder / "results/smoke"))
    assert changed == [], complaint(changed)


def test_a_count_is_held_exactly_and_a_float_but_for_rounding():
    kept = {"rows": 10000, "probability": 0.5, "gone": 1}
    assert differences(kept, {"rows": 10000, "probability": 0.500001, "gone": 1}) == []
    found = {"rows": 10001, "probability": 0.501, "new": 2}
    assert differences(kept, found) == [
        "gone: was 1, is not there",
        "new: was not there, is 2",
        "probability: was 0.5, is 0.501",
        "rows: was 10000, is 10001",
    ]
