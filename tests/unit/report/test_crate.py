import hashlib
import json
import zipfile

import pytest
from report_study import REPOSITORY, write_study

from polyhead.files import read_json, write_json
from polyhead.report.crate import PROFILES, write_crate
from polyhead.study.records import write_record

STARTED = "2026-01-01T00:00:00.000000+00:00"
HEAD = "heads/1.4"
JOBS = {
    "sample": (["../model/config.json"], ["prompts.parquet"]),
    "distribution": (["prompts.parquet"], [f"{HEAD}/distribution.csv"]),
    "numbers": ([f"{HEAD}/distribution.csv", "prompts.parquet"], ["numbers.json"]),
}
"""Of each rule's one job: what it reads and writes."""


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The made-up study with records of three jobs, packed: the archive, and its entities by identifier."""
    root = tmp_path_factory.mktemp("crate")
    study = write_study(root / "study")
    write_json(root / "model/config.json", {})
    record = read_json(study / "provenance.json")
    write_json(study / "provenance.json", record | {"packages": record["packages"] | {"snakemake": "9.27.1"}})
    for rule, (read, made) in JOBS.items():
        paths = ([str(study / path) for path in given] for given in (read, made))
        write_record(rule, study / f"logs/{rule}.log", *paths, STARTED)
    write_crate(root / "study.zip", study, REPOSITORY, edited=(f"{HEAD}/distribution.csv",))
    archive = zipfile.ZipFile(root / "study.zip")
    graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    return archive, {entity["@id"]: entity for entity in graph}


def refers(value):
    """Return the identifiers that a property refers to."""
    return [each["@id"] for each in listed(value)]


def listed(value):
    return value if isinstance(value, list) else [value]


def of_type(entities, kind):
    return [entity for entity in entities.values() if kind in listed(entity["@type"])]


def test_every_packed_file_is_described_with_its_hash_and_size(packed):
    archive, entities = packed
    names = set(archive.namelist()) - {"ro-crate-metadata.json"}
    assert names == {e["@id"] for e in of_type(entities, "File") if not e["@id"].startswith("urn:")}
    for name in names:
        content = archive.read(name)
        assert entities[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert entities[name]["contentSize"] == str(len(content))
        assert entities[name]["encodingFormat"]


def test_what_was_read_and_not_made_is_named_by_its_hash_and_not_packed(packed):
    _, entities = packed
    outside = [e for e in of_type(entities, "File") if e["@id"].startswith("urn:sha256:")]
    assert [(e["name"], e["@id"]) for e in outside] == [("config.json", f"urn:sha256:{outside[0]['sha256']}")]


def test_the_whole_has_what_the_profiles_require(packed):
    root = packed[1]["./"]
    assert refers(root["conformsTo"]) == list(PROFILES)
    assert refers(root["license"]) == ["https://spdx.org/licenses/MIT"]
    assert refers(root["mainEntity"]) == ["code/Snakefile"]
    assert {"name", "description", "datePublished", "author", "mentions"} <= root.keys()
    assert "distribution.csv is not what the workflow wrote" in root["description"]


def test_every_job_is_an_action_of_its_script_with_what_it_read_and_wrote(packed):
    _, entities = packed
    action = entities["#job-distribution"]
    assert refers(action["instrument"]) == ["code/workflow/scripts/distribution.py"]
    assert refers(action["object"]) == ["results/prompts.parquet"]
    assert refers(action["result"]) == [f"results/{HEAD}/distribution.csv"]
    assert action["startTime"] == STARTED < action["endTime"]


def test_every_step_is_the_workflows_has_a_tool_and_a_control_action(packed):
    _, entities = packed
    workflow, steps = entities["code/Snakefile"], of_type(entities, "HowToStep")
    assert {step["name"] for step in steps} == set(JOBS)
    assert refers(workflow["step"]) == [step["@id"] for step in steps]
    assert {tool for step in steps for tool in refers(step["workExample"])} == set(
        refers(workflow["hasPart"])
    )
    controls = of_type(entities, "ControlAction")
    assert {i for each in controls for i in refers(each["instrument"])} == {step["@id"] for step in steps}
    assert {i for each in controls for i in refers(each["object"])} == {f"#job-{rule}" for rule in JOBS}
    (organized,) = of_type(entities, "OrganizeAction")
    assert set(refers(organized["object"])) == {each["@id"] for each in controls}
    assert refers(organized["result"]) == ["#run"]


def test_the_run_reads_what_no_job_made_and_results_in_the_rest(packed):
    run = packed[1]["#run"]
    assert refers(run["instrument"]) == ["code/Snakefile"]
    assert [i.startswith("urn:") for i in refers(run["object"])] == [True]
    assert refers(run["result"]) == [f"results/{path}" for _, made in JOBS.values() for path in made]


def test_every_reference_leads_to_something_described(packed):
    _, entities = packed
    links = {
        each["@id"]
        for entity in entities.values()
        for value in entity.values()
        for each in listed(value)
        if isinstance(each, dict)
    }
    assert {link for link in links if not link.startswith("http")} - entities.keys() == set()
