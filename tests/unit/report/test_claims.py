import json
import shutil

import pytest
import yaml
from report_study import HEAD, REPOSITORY, SOURCES, write_study

from polyhead.errors import PolyheadError
from polyhead.files import read_json, write_json
from polyhead.report.claims import Expected, Verdict, check, claims_of, published_claims
from polyhead.report.claims_file import claimed, expected_file, read_claims, require_claims
from polyhead.report.claims_table import (
    failures,
    margin,
    read_lines,
    require_passed,
    result_table,
    screen_table,
    summary,
    write_lines,
)
from polyhead.report.published import read_published
from polyhead.report.renew_claims import MARK, README, REVIEWERS, filled_page, renew

NAME = "made-up"
CLAIMS = {
    "studies": {NAME: {"command": "snakemake", "claims": ["some"]}},
    "claims": {
        "some": [
            {"label": "unknown", "claim": "{expected}.", "number": "{head}/distribution/post/all/unknown"},
            {
                "label": "order",
                "claim": "In this order: {expected}.",
                "file": "heads/{head}/distribution.csv",
                "where": {"taxonomy": "post", "token_label": "all"},
                "by": "share",
                "first": 2,
                "column": "label",
            },
            {
                "label": "{task}: clean",
                "claim": "{task}: {expected}.",
                "number": "{head}/ablation/{task}/{method}/clean/top1",
            },
            {"label": "nowhere", "claim": "{expected}.", "number": "no such number"},
        ]
    },
}


@pytest.fixture
def study(tmp_path):
    """The made-up study, in which the model does one of two tasks, and claims about it."""
    return write_study(tmp_path / NAME, ablation={"methods": ["bos"], "templates": "t.yaml"})


@pytest.fixture
def sources(tmp_path, study):
    """A folder of claims, with what is expected written from the study."""
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "claims.yaml").write_text(yaml.safe_dump(CLAIMS))
    shutil.copy(SOURCES / "published.yaml", folder)
    renew(study, folder)
    return folder


def change(path, *where, value):
    """Change one entry in a JSON file."""
    content = entry = read_json(path)
    for part in where[:-1]:
        entry = entry[part]
    entry[where[-1]] = value
    write_json(path, content)


def verdicts(study, sources):
    return {line.label: line.verdict for line in check(study, sources)}


def test_what_is_expected_is_written_for_what_the_study_has_and_for_tasks_that_its_model_does(sources):
    expected = read_json(expected_file(sources, NAME))["expected"]
    assert list(expected) == ["unknown", "order", "induction: clean"]
    assert expected["unknown"] == {
        "value": 0.251,
        "unit": "percent",
        "file": f"heads/{HEAD}/distribution.csv",
        "task": "",
        "tolerance": 0.02,
        "minutes": 0.0,
    }
    assert expected["order"]["value"] == "previous, inactive"


def test_the_study_that_claims_were_written_from_passes(study, sources):
    assert set(verdicts(study, sources).values()) == {Verdict.PASS}


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.270, "pass"), (0.272, "fail"), (0.2311, "pass"), (0.2, "fail")]
)
def test_a_number_passes_within_the_tolerance_only(study, sources, value, verdict):
    change(study / "numbers.json", f"{HEAD}/distribution/post/all/unknown", "value", value=value)
    assert verdicts(study, sources)["unknown"] == verdict


def test_an_order_that_changed_fails(study, sources):
    table = study / f"heads/{HEAD}/distribution.csv"
    table.write_text(table.read_text().replace("post,all,inactive,297,0.297", "post,all,inactive,297,0.597"))
    assert verdicts(study, sources)["order"] == Verdict.FAIL


def test_a_number_that_is_not_there_fails(study, sources):
    numbers = read_json(study / "numbers.json")
    del numbers[f"{HEAD}/distribution/post/all/unknown"]
    write_json(study / "numbers.json", numbers)
    assert verdicts(study, sources)["unknown"] == Verdict.FAIL


def test_other_weights_neither_pass_nor_fail(study, sources):
    path = "model/model.safetensors"
    change(study / "provenance.json", "files", path, "sha256", value="f" * 64)
    assert set(verdicts(study, sources).values()) == {Verdict.OTHER_WEIGHTS}


def test_other_settings_neither_pass_nor_fail(study, sources):
    change(study / "provenance.json", "config", "threshold", value=0.9)
    assert set(verdicts(study, sources).values()) == {Verdict.OTHER_SETTINGS}


def test_a_key_that_the_config_got_later_is_no_other_setting(study, sources):
    change(study / "provenance.json", "config", "ablation", "new", value=1)
    assert set(verdicts(study, sources).values()) == {Verdict.PASS}


def test_a_claim_that_fails_is_one_line_that_says_what_was_expected_and_found(study, sources):
    change(study / "numbers.json", f"{HEAD}/distribution/post/all/unknown", "value", value=0.5)
    lines = check(study, sources)
    said = f"unknown: expected 25.1\u00a0% ± 2.0\u00a0%, found 50.0\u00a0% in heads/{HEAD}/distribution.csv"
    assert failures(lines) == [said]
    with pytest.raises(PolyheadError, match="1 of the claims do not hold"):
        require_passed(lines)
    assert summary(lines) == "Of 3, 1 do not hold: unknown."


def test_lines_are_the_same_after_writing_and_reading(study, sources, tmp_path):
    lines = check(study, sources)
    write_lines(tmp_path / "claims.csv", lines)
    assert read_lines(tmp_path / "claims.csv") == lines
    assert summary(lines) == "All 3 hold."
    require_passed(lines)


def test_the_table_has_a_row_for_every_claim(study, sources):
    lines = check(study, sources)
    assert len(result_table(lines).splitlines()) == 2 + len(lines)
    assert screen_table(lines, NAME).row_count == len(lines)


def test_a_number_below_a_bound_passes():
    bound = Expected(value=0.05, unit="points", bound=True)
    assert margin(bound) == "< 5.0\u00a0pp"
    assert (bound.agrees(0.049), bound.agrees(0.05), bound.agrees(-1)) == (True, False, True)


def test_of_a_study_without_claims_it_is_said_which_have_some(sources):
    with pytest.raises(
        PolyheadError, match="nothing is claimed of a study 'other'; there are claims about made-up"
    ):
        require_claims(sources, "other")


def test_a_misspelt_key_of_the_claims_is_named(sources):
    wrong = json.loads(json.dumps(CLAIMS))
    wrong["claims"]["some"][0]["nmber"] = "x"
    (sources / "claims.yaml").write_text(yaml.safe_dump(wrong))
    with pytest.raises(PolyheadError, match=r"claims\.some\.0\.nmber"):
        read_claims(sources)


def test_an_unfinished_study_renews_nothing(study, sources):
    (study / "numbers.json").unlink()
    with pytest.raises(PolyheadError, match="finish the study first"):
        renew(study, sources)


def test_every_number_of_the_post_is_claimed_with_its_value_and_a_tolerance():
    published = read_published(SOURCES / "published.yaml")
    made = list(published_claims(published, published["head"]))
    assert len(made) == len(published["numbers"]) + len(published["orders"])
    values = [expected.value for claim, expected in made if claim.number]
    assert values == [entry["value"] for entry in published["numbers"]]
    for claim, expected in made:
        exact = isinstance(expected.value, str) or expected.bound
        assert exact or expected.tolerance > 0, claim.label


def test_a_tolerance_of_the_post_is_never_less_than_its_rounding():
    entries = read_published(SOURCES / "published.yaml")["numbers"]
    assert [entry["what"] for entry in entries if entry["tolerance"] < entry["rounding"]] == []


@pytest.mark.parametrize(
    ("repo", "sizes", "weights", "verdict"),
    [
        ("NeelNanda/Attn_Only_4L512W_C4_Code", {}, {}, Verdict.FAIL),
        ("NeelNanda/Attn_Only_4L512W_C4_Code", {"d_model": 16}, {}, Verdict.OTHER_WEIGHTS),
        ("somebody/else", {}, {}, Verdict.OTHER_WEIGHTS),
        ("NeelNanda/Attn_Only_4L512W_C4_Code", {}, {"model_final.pth": "a" * 64}, Verdict.FAIL),
        ("NeelNanda/Attn_Only_4L512W_C4_Code", {}, {"model_final.pth": "b" * 64}, Verdict.OTHER_WEIGHTS),
    ],
)
def test_the_posts_numbers_are_judged_for_the_posts_model_only(tmp_path, repo, sizes, weights, verdict):
    ablation = {"methods": ["bos"]}
    study = write_study(tmp_path / "study", study="attn-only-4l", ablation=ablation)
    sources = shutil.copytree(SOURCES, tmp_path / "report")
    published = read_published(sources / "published.yaml")
    (sources / "published.yaml").write_text(yaml.safe_dump(published | {"sha256": weights}))
    change(study / "provenance.json", "model", value=published["shape"] | sizes)
    files = [{"file": "model_final.pth", "sha256": "a" * 64}]
    write_json(study / "model/source.json", {"repo": repo, "files": files})
    found = {line.label: line.verdict for line in check(study, sources)}
    assert found["section 1: prompts"] == verdict  # 20 prompts, where the post has 5,000
    assert (Verdict.PASS in found.values()) == (verdict == Verdict.FAIL)


def test_claims_about_every_study_of_the_project_can_be_made():
    for name in read_claims(SOURCES).studies:
        assert claimed(SOURCES, name)
        assert list(claims_of(SOURCES, name, HEAD, "bos"))


def test_no_claim_of_the_project_names_a_head_or_a_number():
    for claims in read_claims(SOURCES).claims.values():
        for claim in claims:
            assert not any(
                character.isdigit() for character in claim.claim.replace("·×3", "").replace("·×7", "")
            )


@pytest.mark.parametrize("page", [README, REVIEWERS])
def test_the_tables_of_the_pages_are_those_of_the_claims(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    assert MARK.search(text)
    assert filled_page(text, SOURCES) == text, "python -m polyhead.report.renew_claims writes them"


def test_what_is_expected_of_the_default_study_is_of_the_shipped_weights():
    import hashlib

    record = read_json(expected_file(SOURCES, "reference"))
    weights = REPOSITORY / "resources/reference-model/model.safetensors"
    assert record["files"]["model.safetensors"] == hashlib.sha256(weights.read_bytes()).hexdigest()
