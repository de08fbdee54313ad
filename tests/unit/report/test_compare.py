"""Studies side by side: counted from their tables, refused where one is missing or edited."""

import json
from pathlib import Path

import pandas as pd
import pytest

from polyhead.errors import PolyheadError
from polyhead.files import write_csv
from polyhead.report import compare
from polyhead.report.compare_page import comparison_page

ROOT = Path(__file__).parents[3]
BEHAVIOURS = ("previous", "induction", "duplicate", "indent")


def write_study(results, name, answers, context=512):
    """Tables of a finished study; its heads do the behaviours given, at a tenth of a nat more each."""
    folder = results / name
    (folder / "heads/0.0").mkdir(parents=True)
    config = {
        "head": ["0.0"], "model": f"models/{name}", "context": context, "prompts": 9, "previous_window": 2,
        "threshold": 0.95, "ablation": {"profile_prompts": 5},
    }  # fmt: skip
    model = {"n_layers": 1, "n_heads": len(answers), "d_model": 8, "attn_only": True}
    (folder / "provenance.json").write_text(json.dumps({"config": config, "model": model}))
    names = {0: "none", 1: "one behaviour", 2: "polysemantic"}
    lines = [
        {
            "head": f"0.{k}",
            "verdict": names[len(done)],
            "verdict_joint": "none",
            **{b: "yes" if b in done else "no" for b in BEHAVIOURS},
            **{f"{b}_cost": (k + 1) / 10 if b in done else float("nan") for b in BEHAVIOURS},
        }
        for k, done in enumerate(answers)
    ]
    write_csv(folder / "verdicts.csv", pd.DataFrame(lines))
    atlas = [("0.0", "extended", "previous", 3), ("0.1", "extended", "unknown", 1)]
    write_csv(folder / "atlas.csv", pd.DataFrame(atlas, columns=["head", "taxonomy", "label", "rows"]))
    shares = [("post", window, 0.95, "previous", window / 10) for window in (1, 2)]
    columns = ["taxonomy", "previous_window", "threshold", "label", "share"]
    write_csv(folder / "heads/0.0/sensitivity.csv", pd.DataFrame(shares, columns=columns))


@pytest.fixture
def studies(tmp_path):
    write_study(tmp_path, "small", [("previous", "induction"), (), ("previous",), ()])
    write_study(tmp_path, "large", [("previous",), ("previous",)], context=256)
    return [compare.read_compared(tmp_path, name) for name in ("small", "large")]


def test_heads_are_counted_by_verdict_and_as_shares_of_each_model(studies):
    counts = compare.verdict_counts(studies).set_index(["study", "verdict"])
    assert counts.loc[("small", "polysemantic"), ["heads", "share", "heads_joint"]].tolist() == [1, 0.25, 0]
    assert counts.loc[("large", "one behaviour"), ["heads", "share"]].tolist() == [2, 1.0]


def test_a_behaviour_names_the_head_in_which_it_costs_most(studies):
    counts = compare.behaviour_counts(studies).set_index(["study", "behaviour"])
    assert counts.loc[("small", "previous"), ["heads", "largest_cost", "head"]].tolist() == [2, 0.3, "0.2"]
    assert counts.loc[("small", "indent"), "heads"] == 0


def test_shares_are_those_of_each_studys_own_window_and_of_all_heads_rows(studies):
    assert compare.named_shares(studies)["share"].tolist() == [0.2, 0.2]
    assert compare.all_heads_shares(studies)["share"].tolist() == [0.75, 0.25, 0.75, 0.25]


def test_differences_begin_with_the_question_and_name_the_model_that_has_more(studies):
    said = compare.differences(studies)
    assert "1 of 4 heads (25%) of small, 0 of 2 heads (0%) of large" in said[0]
    assert said[1] == "Previous is done by 100% of the heads of large and by 50% of those of small."


def test_settings_that_make_two_measures_of_one_are_told(studies, tmp_path):
    assert compare.other_measures(studies) == {"context": [512, 256]}
    css = tmp_path / "style.css"
    css.write_text("")
    page = comparison_page(studies, ROOT / "report/compare", css)
    assert "Not of one measure" in page
    assert "256" in page


def test_a_study_that_is_not_finished_is_named_with_what_is_missing(studies, tmp_path):
    (tmp_path / "large/atlas.csv").unlink()
    with pytest.raises(PolyheadError, match=r"large/atlas.csv is missing: the study 'large' is not finished"):
        compare.read_compared(tmp_path, "large")


@pytest.mark.parametrize("names", [[], ["one"], ["one", "one"]])
def test_fewer_than_two_studies_are_refused_with_an_example(names):
    with pytest.raises(PolyheadError, match=r"name two or more finished studies"):
        compare.check_names(names)
