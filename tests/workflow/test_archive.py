"""The archive of a study is a Workflow Run Crate, by a validator that asks no network."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.long]

ROOT = Path(__file__).parents[2]
DESCRIPTION = "ro-crate-metadata.json"


@pytest.fixture(scope="module")
def validator(tmp_path_factory):
    """The Python of an environment with what the validator's lock pins."""
    folder = tmp_path_factory.mktemp("validator")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "-r", ROOT / "envs/crate-validator.lock"]
    subprocess.run([folder / "bin/python", *install], check=True)
    return folder / "bin/python"


@pytest.fixture(scope="module")
def archive(finished, tmp_path_factory):
    """The smoke study, packed. The folder is as deep as the study's: else its files would be made anew."""
    copy = finished.copy(tmp_path_factory.mktemp("packed"))
    copy.run("--", "archive")
    return copy.folder / "results/smoke/archive/smoke.zip"


def without_network():
    """Return what is put before a command so that it has no network, where this is allowed."""
    command = ("unshare", "--net")
    can = shutil.which("unshare") and not subprocess.run([*command, "true"], check=False).returncode
    return command if can else ()


def validate(validator, archive):
    """Return the exit status of the validation and what it printed."""
    command = [*without_network(), validator, ROOT / ".ci/validate_crate.py", archive]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def without_run(archive, folder):
    """Return a copy of an archive whose description does not name the run."""
    path = folder / "without.zip"
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == DESCRIPTION:
                described = json.loads(content)
                described["@graph"] = [one for one in described["@graph"] if one["@type"] != "CreateAction"]
                content = json.dumps(described).encode()
            target.writestr(name, content)
    return path


def test_the_archive_is_a_workflow_run_crate(validator, archive):
    status, printed = validate(validator, archive)
    assert status == 0, printed


def test_an_archive_that_does_not_say_what_ran_is_refused(validator, archive, tmp_path):
    status, printed = validate(validator, without_run(archive, tmp_path))
    assert status == 1, printed
    assert "CreateAction" in printed
