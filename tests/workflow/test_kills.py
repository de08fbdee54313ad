"""Kills at random moments: what was finished is kept, nothing goes on, and the tables are the same."""

import base64
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.workflow

SECONDS_TO_END = 2.0
LONGEST_WAIT = 8.0
WRITTEN_ONCE = (".parquet", ".csv", ".json", ".svg", ".html", ".pdf")


@dataclass
class Killer:
    """Runs the smoke study, kills something, and does what the README says: run it again."""

    workflow: Any
    targets: tuple[str, ...]
    rng: random.Random
    kept: list[dict[Path, int]] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)

    def kill_once(self, what: str) -> None:
        """Start the study and kill Snakemake, or one of its jobs, at a random moment."""
        with (self.workflow.folder / "printed.log").open("a") as log:
            command = self.workflow.command(*self.targets)
            run = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.workflow.folder)
        victim = self.moment(run, what)
        if victim and psutil.pid_exists(victim):
            os.kill(victim, signal.SIGKILL)
            self.killed.append(what)
        run.wait()
        self.kept.append(self.finished())
        self.nothing_goes_on()

    def moment(self, run: subprocess.Popen, what: str) -> int | None:
        """Wait for a random moment; return the process to kill, nothing when the study ended before it."""
        if what == "snakemake":
            time.sleep(self.rng.uniform(0, LONGEST_WAIT))
            return run.pid if run.poll() is None else None
        while run.poll() is None and not self.jobs():
            time.sleep(0.02)
        time.sleep(self.rng.uniform(0, 1))
        return self.rng.choice(self.jobs() or [None])

    def jobs(self) -> list[int]:
        """Return the process ids of the jobs of this folder."""
        scripts = str(self.workflow.folder / ".snakemake/scripts")
        found = psutil.process_iter(["cmdline"])
        return [each.pid for each in found if any(scripts in part for part in each.info["cmdline"] or [])]

    def finished(self) -> dict[Path, int]:
        """Return when each file was written that Snakemake knows to be whole."""
        results, marks = self.workflow.folder / "results", self.workflow.folder / ".snakemake/incomplete"
        names = ["".join(mark.relative_to(marks).parts) for mark in marks.rglob("*") if mark.is_file()]
        unfinished = {self.workflow.folder / base64.b64decode(name).decode() for name in names}
        files = (path for path in results.rglob("*") if path.is_file() and path.suffix in WRITTEN_ONCE)
        return {path: path.stat().st_mtime_ns for path in files if not unfinished & {path, *path.parents}}

    def nothing_goes_on(self) -> None:
        """Check that the jobs ended with the Snakemake that started them."""
        end = time.monotonic() + SECONDS_TO_END
        while self.jobs():
            assert time.monotonic() < end, "a job goes on without its Snakemake"
            time.sleep(0.02)

    def made_again(self) -> list[Path]:
        """Return the files that were whole at some kill and were written again later."""
        return [
            path for kept in self.kept for path, stamp in kept.items() if path.stat().st_mtime_ns != stamp
        ]


def survived(finished, folder, kills, targets, seed):
    """Kill so often, Snakemake and jobs in turn, then run once more; compare with an undisturbed study."""
    killer = Killer(type(finished)(folder), targets, random.Random(seed))
    for number in range(kills):
        killer.kill_once("job" if number % 2 else "snakemake")
    killer.workflow.run(*targets)
    assert not killer.made_again()
    assert not [path for path in folder.glob("results/**/.*") if ".tmp" in path.name]
    tables, expected = killer.workflow.tables(), finished.tables()
    assert tables
    assert {name for name, content in tables.items() if content != expected[name]} == set()
    return killer


@pytest.mark.long
def test_two_kills(finished, tmp_path):
    survived(finished, tmp_path, kills=2, targets=("--until", "distribution"), seed=2)


@pytest.mark.kills
def test_twenty_kills_of_the_whole_study(finished, tmp_path):
    seed = int(os.environ.get("POLYHEAD_SEED", random.randrange(10**6)))
    killer = survived(finished, tmp_path, kills=20, targets=(), seed=seed)
    assert killer.workflow.tables().keys() == finished.tables().keys()
    kept = [len(files) for files in killer.kept]
    print(f"seed {seed}; killed: {killer.killed}; files kept at each: {kept}; made again: none")
