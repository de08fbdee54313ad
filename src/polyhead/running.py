"""Who runs a study in a folder; jobs that end with the Snakemake that started them; the memory they took."""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import IO

import psutil

from polyhead.errors import PolyheadError

CLAIMS = Path(".snakemake/polyhead")
SNAKEMAKE_LOCKS = Path(".snakemake/locks")
SECONDS_BETWEEN_LOOKS = 0.2

_claimed: list[IO[str]] = []


def claim(study: str) -> None:
    """Claim a study in the working folder until `release`, or until this process ends in whatever way.

    Snakemake has a lock of its own, but every run that ends removes the locks of all others in its folder.

    Raises:
        PolyheadError: another process has it; says which, since when, and what to do.
    """
    CLAIMS.mkdir(parents=True, exist_ok=True)
    file = (CLAIMS / f"{study}.lock").open("a+", encoding="utf-8")
    if _held(file):
        raise PolyheadError(_being_run(study, file))
    file.truncate(0)
    json.dump(_this_process(), file)
    file.flush()
    _claimed.append(file)


def release() -> None:
    """Give up what this process claimed; an empty file says that the run came to its end."""
    while _claimed:
        with _claimed.pop() as file:
            file.truncate(0)


def check_free(study: str) -> None:
    """Raise `PolyheadError`, as `claim` does, where another process runs the study; claim nothing."""
    path = CLAIMS / f"{study}.lock"
    if path.is_file():
        with path.open("r+", encoding="utf-8") as file:
            if _held(file):
                raise PolyheadError(_being_run(study, file))


def forget_killed_runs() -> bool:
    """Remove the lock that a killed Snakemake left; say whether there was one.

    Only where it is certain: every run of the folder that did not come to its end was on this machine, and
    none of them is alive.
    """
    ended = [_ended_early(path) for path in sorted(CLAIMS.glob("*.lock")) if path.stat().st_size]
    if not ended or not all(ended) or not SNAKEMAKE_LOCKS.is_dir():
        return False
    shutil.rmtree(SNAKEMAKE_LOCKS)
    return True


def _ended_early(path: Path) -> bool:
    with path.open("r+", encoding="utf-8") as file:
        return not _held(file) and _holder(file).get("host") == socket.gethostname()


def _held(file: IO[str]) -> bool:
    """Try to lock a file; the lock lasts as long as the file is open. No: where files cannot be locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _this_process() -> dict[str, str | int]:
    since, command = time.strftime("%Y-%m-%d %H:%M:%S"), " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return {"process": os.getpid(), "host": socket.gethostname(), "since": since, "command": command}


def _holder(file: IO[str]) -> dict[str, str | int]:
    file.seek(0)
    try:
        return json.load(file)
    except ValueError:
        return {}


def _being_run(study: str, file: IO[str]) -> str:
    who = {"process": "?", "host": "?", "since": "?", "command": "?"} | _holder(file)
    return (
        f"study {study!r} is being run in this folder by process {who['process']} on {who['host']} since "
        f"{who['since']}: {who['command']}\n"
        f"  Wait for it, or stop it (kill {who['process']}); a study of another name can run beside it: "
        "--config study=<name>"
    )


def check_writable(folder: Path | str) -> None:
    """Refuse a folder that cannot be made or written in, before anything runs."""
    existing = next(path for path in (Path(folder), *Path(folder).absolute().parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PolyheadError(
            f"{folder} cannot be written: {existing} is read-only, or belongs to somebody else; make it "
            "writable, or run in another folder: snakemake --directory <folder>"
        )


def end_with_parent() -> None:
    """End this process and all that it starts as soon as the Snakemake that started it is gone.

    A Snakemake that is killed leaves its jobs running, and the next run would start them a second time.
    """
    parent = next((each for each in psutil.Process().parents() if _is_snakemake(each)), None)
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _is_snakemake(process: psutil.Process) -> bool:
    try:
        return any("snakemake" in Path(part).name for part in process.cmdline()[:4])
    except psutil.Error:
        return False


def _end_after(parent: psutil.Process | None) -> None:
    while parent is not None and _alive(parent):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os.kill(os.getpid(), signal.SIGKILL)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def peak_memory() -> float:
    """Return this process's largest memory so far in MiB; on Linux without that of what started it."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
