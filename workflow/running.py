"""What a killed run needs to be finished by the same command: a claim on a folder, and jobs that end with their run."""

import atexit
import os
import signal
import socket
import threading
import time
from pathlib import Path

import psutil

from polyhead.errors import PolyheadError
from polyhead.files import read_json, write_json

CLAIMS, SNAKEMAKE_LOCKS = Path(".snakemake/polyhead"), Path(".snakemake/locks")


def claim(study: str) -> None:
    """Record that this process fills results/<study>; refuse where another one that is alive does."""
    record = (CLAIMS / f"{study}.json").absolute()
    if record.is_file() and not _ended(holder := read_json(record)) and holder["process"] != os.getpid():
        raise PolyheadError(
            f"results/{study} is being made by process {holder['process']} on {holder['host']}: wait for it, or stop "
            f"it; another study can run beside it: --config study=<name>. If it is gone: rm {record}"
        )
    write_json(
        record, {"process": os.getpid(), "host": socket.gethostname(), "started": _started(os.getpid())}
    )
    atexit.register(record.unlink, missing_ok=True)


def forget_killed_runs() -> bool:
    """Remove the locks that killed runs left, where every run on record was one of this machine and has ended."""
    records = [read_json(path) for path in CLAIMS.glob("*.json")]
    left = list(SNAKEMAKE_LOCKS.glob("*.lock")) if records and all(map(_ended, records)) else []
    for path in [*left, *(CLAIMS.glob("*.json") if left else [])]:
        path.unlink(missing_ok=True)
    return bool(left)


def _ended(record: dict) -> bool:
    return record["host"] == socket.gethostname() and _started(record["process"]) != record["started"]


def _started(process: int) -> float:
    return psutil.Process(process).create_time() if psutil.pid_exists(process) else 0.0


def end_with_parent() -> None:
    """End this job and its children when the Snakemake that started it is gone."""
    parents = psutil.Process().parents()
    parent = next((each for each in parents if "snakemake" in " ".join(each.cmdline()[:4])), None)
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: psutil.Process | None) -> None:
    while parent is not None and parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.2)
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os.kill(os.getpid(), signal.SIGKILL)
