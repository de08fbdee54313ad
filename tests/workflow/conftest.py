"""Runs of Snakemake itself, on the smoke study, in a folder of their own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Workflow:
    """A working folder and the ways the tests run the workflow in it."""

    folder: Path

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run the smoke study with more arguments; return what was printed."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(self.folder), "--configfile", str(ROOT / "config/smoke.yaml")]
        run = subprocess.run(
            [*command, *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )
        printed = run.stdout + run.stderr
        assert run.returncode == status, printed
        return printed

    def planned(self, *arguments: str) -> set[str]:
        """Return the rules that a run with these arguments would run."""
        lines = self.run("--dry-run", "--quiet", "host", *arguments).splitlines()
        jobs = (line.split() for line in lines)
        return {words[0] for words in jobs if len(words) == 2 and words[1].isdigit()} - {"total"}


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workflow:
    """The smoke study, run once from nothing."""
    workflow = Workflow(tmp_path_factory.mktemp("smoke"))
    workflow.run()
    return workflow


@pytest.fixture
def empty(tmp_path) -> Workflow:
    """A folder in which nothing has run."""
    return Workflow(tmp_path)
