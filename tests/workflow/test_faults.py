"""Faults of the machine: each stops with one message, and a later run goes on with what was finished."""

import json
import os
import random
import signal
import subprocess
import time
from contextlib import contextmanager

import psutil
import pytest

pytestmark = pytest.mark.workflow
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
RECORD = ".snakemake/polyhead/smoke.json"


@contextmanager
def small_disk(folder, options):
    """Mount a disk in memory for a while."""
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("no disk can be mounted here; in a container: root, and --cap-add SYS_ADMIN")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def started(workflow, *arguments):
    """Start a run; wait until it has recorded itself."""
    run = subprocess.Popen(workflow.command(*arguments), cwd=workflow.folder, **SILENT)
    while not (workflow.folder / RECORD).exists():
        assert run.poll() is None
        time.sleep(0.02)
    return run


def jobs(workflow):
    """Return the processes of a folder's jobs."""
    scripts = str(workflow.folder / ".snakemake/scripts")
    found = psutil.process_iter(["cmdline"])
    return [each for each in found if any(scripts in part for part in each.info["cmdline"] or [])]


def test_a_full_disk_stops_with_one_message_and_a_later_run_goes_on(empty, finished):
    results = empty.folder / "results"  # alone: Snakemake's own notes, too, end in tracebacks on a full disk
    results.mkdir()
    with small_disk(results, "size=150k"):
        printed = empty.run("--until", "rows", status=1)
        assert "rows: no space left on the disk; make room and run the same command again" in printed
        assert "Traceback" not in printed
        prompts = empty.folder / "results/smoke/prompts.parquet"
        stamp = prompts.stat().st_mtime_ns
        subprocess.run(["mount", "-o", "remount,size=50m", str(results)], check=True)
        empty.run("--until", "rows")
        assert prompts.stat().st_mtime_ns == stamp
        assert {name: finished.tables()[name] for name in empty.tables()} == empty.tables()


def test_a_damaged_shard_never_reaches_a_table(finished, tmp_path):
    copy = finished.copy(tmp_path)
    shard = next(copy.folder.glob("results/smoke/heads/*/rows/*.parquet"))
    whole, stat = shard.read_bytes(), shard.stat()
    shard.write_bytes(whole[:5000] + bytes([whole[5000] ^ 4]) + whole[5001:])
    os.utime(shard, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    another = ["--until", "label", "--config", "threshold=0.9"]
    assert f"label: {shard.relative_to(copy.folder)} is damaged" in copy.run(*another, status=1)
    shard.unlink()
    copy.run(*another)
    assert shard.read_bytes() == whole


@pytest.mark.long
def test_a_killed_run_is_finished_by_the_same_command(empty, finished):
    draws = random.Random(1)
    for _ in range(3):
        run = started(empty, "--until", "attention")
        time.sleep(draws.uniform(0, 8))
        if killed := run.poll() is None:
            run.send_signal(signal.SIGKILL)
        run.wait()
        end = time.monotonic() + 5
        while jobs(empty):
            assert time.monotonic() < end, "a job goes on without its Snakemake"
            time.sleep(0.02)
    printed = empty.run("--until", "attention")
    assert not killed or "polyhead: the last run was killed" in printed or "Nothing to be done" in printed
    assert not [path for path in empty.folder.glob("results/**/.*") if ".tmp" in path.name]
    assert {name: finished.tables()[name] for name in empty.tables()} == empty.tables()


def test_one_study_twice_at_once_says_who_runs_it_and_can_be_looked_at(empty):
    with started(empty) as first:
        printed = empty.run("--until", "rows", status=1)
        empty.run("--summary")
        assert first.poll() is None
        first.kill()
    assert f"polyhead: results/smoke is being made by process {first.pid}" in printed
    assert "LockException" not in printed
    assert "Traceback" not in printed


def test_locks_are_left_alone_where_another_machine_may_hold_them(empty):
    lock, record = empty.folder / ".snakemake/locks/0.input.lock", empty.folder / RECORD
    for path in (lock, record):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    record.write_text(json.dumps({"process": 1, "host": "another.machine", "started": 0.0}))
    assert "is being made by process 1 on another.machine" in empty.run("--until", "sample", status=1)
    assert lock.exists()
