"""Tables as text: what was written comes back."""

import subprocess
import sys

import numpy as np
import pandas as pd

from polyhead.files import read_csv, write_csv


def test_a_token_called_na_is_text_and_a_missing_interval_is_nan(tmp_path):
    table = pd.DataFrame(
        {"token_label": ["NA", "", "nan"], "share": [0.5, 0.25, 1.0], "low": [0.4, np.nan, 0.9]}
    )
    write_csv(tmp_path / "table.csv", table)
    pd.testing.assert_frame_equal(read_csv(tmp_path / "table.csv"), table)


def test_a_table_without_rows_has_the_types_of_one_with_rows(tmp_path):
    table = pd.DataFrame({"token_label": ["NA"], "lift": [2.5]})
    write_csv(tmp_path / "table.csv", table.head(0))
    read = read_csv(tmp_path / "table.csv")
    assert read.nlargest(3, "lift").empty
    assert list(read.columns) == ["token_label", "lift"]


def test_what_a_plan_needs_imports_no_heavy_library():
    heavy = "{'pandas', 'pyarrow', 'torch', 'scipy'}"
    code = f"import sys, polyhead.config, polyhead.files; print(sys.modules.keys() & {heavy})"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "set()"
