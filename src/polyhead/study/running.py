"""Running a study: one run at a time per folder of results, and jobs that end with Snakemake."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from polyhead.errors import PolyheadError
from polyhead.plain_files import read_json, write_json

if TYPE_CHECKING:
    from filelock import FileLock

CLAIMS = Path(".snakemake/polyhead")
SNAKEMAKE_LOCKS = Path(".snakemake/locks")
SECONDS_BETWEEN_LOOKS = 0.2

_claimed: dict[Path, FileLock] = {}
"""What this process holds: locks by their record, an absolute path, as the working folder may change."""


def claim(name: str) -> None:
    """Lock a folder of results, by its name, until `release` or the end of this process.

    The lock is on the file `<name>.lock`; `<name>.json` beside it says who holds it, and is left behind by a
    killed process. Snakemake's own lock is not enough: a run that ends removes the locks of all other runs in
    the working folder. On file systems without locks nothing is locked.

    Raises:
        PolyheadError: another process has the lock; the message says which, since when, and what to do.
    """
    from filelock import FileLock, Timeout

    record = _record(name).absolute()
    if record in _claimed:
        return
    CLAIMS.mkdir(parents=True, exist_ok=True)
    lock = FileLock(CLAIMS / f"{name}.lock", timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise PolyheadError(_being_run(name)) from None
    except (OSError, NotImplementedError):
        return
    write_json(record, _this_process())
    _claimed[record] = lock
    atexit.register(release)


def release() -> None:
    """Release all locks of this process; no record is left, which shows that the run ended properly."""
    while _claimed:
        record, lock = _claimed.popitem()
        record.unlink(missing_ok=True)
        lock.release()


def forget_killed_runs() -> bool:
    """Remove the locks that a killed Snakemake left; say whether there were any.

    This is done only if it is safe: all runs in the folder that did not end as they should were on this
    machine, and none of their processes is alive.
    """
    ended = [_ended_early(path.stem) for path in CLAIMS.glob("*.json")]
    left = list(SNAKEMAKE_LOCKS.glob("*.lock")) if ended and all(ended) else []
    for lock in left:
        lock.unlink(missing_ok=True)
    return bool(left)


def _ended_early(name: str) -> bool:
    from filelock import FileLock, Timeout

    try:
        with FileLock(CLAIMS / f"{name}.lock", timeout=0, fallback_to_soft=False):
            return _holder(name).get("host") == socket.gethostname()
    except (Timeout, OSError, NotImplementedError):
        return False


def _record(name: str) -> Path:
    return CLAIMS / f"{name}.json"


def _this_process() -> dict[str, str | int]:
    since, command = time.strftime("%Y-%m-%d %H:%M:%S"), " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return {"process": os.getpid(), "host": socket.gethostname(), "since": since, "command": command}


def _holder(name: str) -> dict[str, str | int]:
    try:
        return read_json(_record(name))
    except (OSError, PolyheadError):
        return {}


def _being_run(name: str) -> str:
    who = {"process": "?", "host": "?", "since": "?", "command": "?"} | _holder(name)
    return (
        f"results/{name} is being made in this folder by process {who['process']} on {who['host']} since "
        f"{who['since']}: {who['command']}\n"
        f"  Wait for it, or stop it (kill {who['process']}); a study of another name can run beside it: "
        "--config study=<name>"
    )


def check_writable(folder: Path | str) -> None:
    """Raise `PolyheadError` if a folder cannot be created or written."""
    existing = next(path for path in (Path(folder), *Path(folder).absolute().parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PolyheadError(
            f"{folder} cannot be written: {existing} is read-only, or belongs to somebody else; make it "
            "writable, or run in another folder: snakemake --directory <folder>"
        )


def end_with_parent() -> None:
    """Watch the Snakemake that started this process; when it is gone, end this process and its children.

    A killed Snakemake leaves its jobs running, and the next run would start the same jobs again.
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
