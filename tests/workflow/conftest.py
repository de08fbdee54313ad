"""Runs of Snakemake itself, on the smoke study, in a folder of their own."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Workflow:
    """A working folder and the ways the tests run the workflow in it."""

    folder: Path
    checkout: Path = ROOT

    def command(self, *arguments: str, config: Path = ROOT / "config/smoke.yaml") -> list[str]:
        """Return the command that runs a study, the smoke study if no other is named."""
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            "2",
            "--snakefile",
            str(self.checkout / "Snakefile"),
        ]
        return [*command, "--directory", str(self.folder), "--configfile", str(config), *arguments]

    def run(
        self, *arguments: str, status: int = 0, config: Path = ROOT / "config/smoke.yaml", **environment: str
    ) -> str:
        """Run a study, `environment` on top of this process's; return what was printed."""
        run = subprocess.run(
            self.command(*arguments, config=config),
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
            check=False,
        )
        printed = run.stdout + run.stderr
        assert run.returncode == status, printed
        return printed

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return the rules that a run with these arguments would run, each with its number of jobs."""
        printed = self.run("--dry-run", "--quiet", "host", *arguments)
        counts = re.findall(r"^([a-z_]+) +(\d+)$", printed, re.MULTILINE)
        return {name: int(count) for name, count in counts if name != "total"}

    def tables(self) -> dict[str, bytes]:
        """Return the content of every table of the study, by its path in the results folder."""
        results = self.folder / "results/smoke"
        files = [path for kind in ("parquet", "csv") for path in sorted(results.rglob(f"*.{kind}"))]
        return {str(path.relative_to(results)): path.read_bytes() for path in files}

    def copy(self, folder: Path) -> "Workflow":
        """Return a copy in a folder as deep as this one, so that relative paths stay what they are."""
        return Workflow(Path(shutil.copytree(self.folder, folder, dirs_exist_ok=True)))


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Workflow:
    """The smoke study, run once from nothing; each of several test processes has a copy."""
    if worker_id == "master":
        workflow = Workflow(tmp_path_factory.mktemp("smoke"))
        workflow.run()
        return workflow
    shared = Workflow(tmp_path_factory.getbasetemp().parent / "shared" / "smoke")
    shared.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(shared.folder.with_suffix(".lock")):
        if not (shared.folder / "results/smoke/report/index.html").exists():
            shared.run()
    return shared.copy(tmp_path_factory.mktemp("smoke"))


@pytest.fixture(scope="session")
def workflow_in():
    """Make a workflow in a folder."""
    return Workflow


@pytest.fixture
def empty(tmp_path) -> Workflow:
    """A folder in which nothing has run."""
    return Workflow(tmp_path)
