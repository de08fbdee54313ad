"""The default study answers every claim of the post."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

pytestmark = pytest.mark.workflow
ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_in_the_default_study_no_claim_of_the_post_is_not_asked(tmp_path):
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--snakefile", ROOT / "Snakefile"]
    subprocess.run([*command, "--directory", tmp_path, "results/reference/claims.csv"], check=True)
    claims = yaml.safe_load((ROOT / "report/claims.yaml").read_text(encoding="utf-8"))["claims"]
    of_post = {label for label, claim in claims.items() if claim.get("post")}
    table = pd.read_csv(tmp_path / "results/reference/claims.csv")
    asked = table[table["label"].str.partition("/")[0].isin(of_post)]
    assert set(asked["label"].str.partition("/")[0]) == of_post
    assert "not asked" not in set(asked["answer"])
