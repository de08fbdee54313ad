"""Faults of the machine: each stops with one message, and a later run goes on with what was finished."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from polyhead.study.running import CLAIMS, check_writable, claim, forget_killed_runs, release

from polyhead.errors import PolyheadError

pytestmark = pytest.mark.workflow
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


@contextmanager
def small_disk(folder, options):
    """Mount a disk in memory for a while."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here; in a container: --cap-add SYS_ADMIN")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@needs_root
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


@needs_root
def test_a_read_only_results_folder_is_refused_before_anything_runs(empty):
    (empty.folder / "results").mkdir()
    with small_disk(empty.folder / "results", "ro"):
        printed = empty.run(status=1)
    assert "polyhead: results/smoke cannot be written" in printed
    assert "run in another folder: snakemake --directory" in printed
    assert "Traceback" not in printed
    assert "Select jobs" not in printed


def test_a_results_folder_inside_a_file_is_refused(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(PolyheadError, match="cannot be written"):
        check_writable(tmp_path / "results/smoke")
    check_writable(tmp_path / "new/folder")


def test_a_flipped_bit_in_a_shard_never_reaches_a_table(finished, tmp_path):
    copy = finished.copy(tmp_path)
    shard = next(copy.folder.glob("results/smoke/heads/*/rows/*.parquet"))
    whole, stat = shard.read_bytes(), shard.stat()
    shard.write_bytes(whole[:5000] + bytes([whole[5000] ^ 4]) + whole[5001:])
    os.utime(shard, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    another = ["--until", "classify", "--config", "threshold=0.9"]
    printed = copy.run(*another, status=1)
    assert f"classify: {shard.relative_to(copy.folder)} is damaged" in printed
    assert f"delete it and run again: rm '{shard.relative_to(copy.folder)}'" in printed
    labels = shard.parents[1] / "labels.parquet"
    assert not labels.exists()
    shard.unlink()
    copy.run(*another)
    assert shard.read_bytes() == whole
    assert labels.exists()


LOOKING = ("-np", "--summary", "--list", "--lint", "--rulegraph")


def test_a_run_that_was_killed_is_gone_on_with(empty):
    run = subprocess.Popen(empty.command("--until", "rows"), cwd=empty.folder, stderr=subprocess.DEVNULL)
    while not list(empty.folder.glob(".snakemake/locks/*.lock")):
        assert run.poll() is None
        time.sleep(0.02)
    run.kill()
    run.wait()
    assert "polyhead: the last run was killed" in empty.run("--until", "rows")
    assert "polyhead: the last run was killed" not in empty.run("--until", "rows")


def test_one_study_twice_at_once_says_who_runs_it_and_can_be_looked_at(empty):
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(empty.command(), cwd=empty.folder, **silent) as first:
        while not (empty.folder / CLAIMS / "smoke.json").exists():
            assert first.poll() is None
            time.sleep(0.05)
        printed = empty.run("--until", "rows", status=1)
        for looking in LOOKING:
            empty.run(looking)
        assert first.poll() is None
        first.kill()
    assert f"polyhead: results/smoke is being made in this folder by process {first.pid}" in printed
    assert "Wait for it, or stop it" in printed
    assert "LockException" not in printed
    assert "Traceback" not in printed


def test_two_studies_at_once_in_one_folder_do_not_meet(empty, finished):
    other = ["--config", "study=other", "prompts=12", "--until", "sample"]
    with subprocess.Popen(empty.command(*other), cwd=empty.folder, stderr=subprocess.DEVNULL) as beside:
        empty.run("--until", "rows")
    assert beside.returncode == 0
    assert {name: finished.tables()[name] for name in empty.tables()} == empty.tables()
    assert (empty.folder / "results/other/prompts.parquet").exists()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder; nothing stays claimed."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    release()


def snakemake_lock(folder):
    """Leave a lock as Snakemake writes it."""
    lock = folder / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir()
    lock.touch()
    return lock


def test_a_claim_is_given_up_whatever_the_working_folder_is_by_then(folder, monkeypatch):
    claim("mine")
    monkeypatch.chdir("/")
    release()
    assert not list((folder / CLAIMS).glob("*.json"))


HOLD = """
import time
from polyhead.study.running import claim
claim("mine")
print("claimed", flush=True)
time.sleep(60)
"""


def test_a_claim_ends_with_its_process_and_a_lock_left_behind_is_removed(folder):
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "claimed\n"
        lock = snakemake_lock(folder)
        with pytest.raises(PolyheadError, match=rf"results/mine is being made .* by process {holder.pid} on"):
            claim("mine")
        claim("other")
        release()
        assert not forget_killed_runs()
        holder.kill()
    assert forget_killed_runs()
    assert not lock.exists()
    claim("mine")


def test_a_lock_is_kept_where_nobody_is_known_to_have_been_killed(folder):
    claim("mine")
    release()
    lock = snakemake_lock(folder)
    assert not forget_killed_runs()
    (folder / CLAIMS / "far.json").write_text('{"host": "another.machine"}')
    assert not forget_killed_runs()
    assert lock.exists()


def can_leave_the_network():
    return (
        shutil.which("unshare") and not subprocess.run(["unshare", "--net", "true"], check=False).returncode
    )


def test_without_a_home_and_a_network_the_study_is_the_same(empty, finished):
    before = ("unshare", "--net") if can_leave_the_network() else ()
    empty.run("--until", "rows", before=before, HOME="/dev/null/home")
    assert {name: finished.tables()[name] for name in empty.tables()} == empty.tables()
