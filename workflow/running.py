"""What a killed run needs to be finished by the same command."""

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

RECORDS, LOCKS = Path(".snakemake/polyhead"), Path(".snakemake/locks")


def claim(study: str) -> None:
    """Record that this process fills results/<study>; refuse where another one does that is alive."""
    path = (RECORDS / f"{study}.json").absolute()
    if path.is_file() and not _ended(other := read_json(path)):
        raise PolyheadError(
            f"results/{study} is being made by process {other['process']} on {other['host']}; wait for it, "
            f"stop it, or run another study (--config study=<name>). If it is gone: rm {path}"
        )
    process = psutil.Process()
    started = process.create_time()
    write_json(path, {"process": process.pid, "host": socket.gethostname(), "started": started})
    atexit.register(path.unlink, missing_ok=True)


def forget_killed_runs() -> bool:
    """Remove Snakemake's locks if all runs on record were on this machine and have ended; say if it did."""
    records = [read_json(path) for path in RECORDS.glob("*.json")]
    left = list(LOCKS.glob("*.lock")) if records and all(map(_ended, records)) else []
    for path in left:
        path.unlink(missing_ok=True)
    return bool(left)


def _ended(record: dict) -> bool:
    pid, here = record["process"], record["host"] == socket.gethostname()
    alive = psutil.pid_exists(pid) and psutil.Process(pid).create_time() == record["started"]
    return here and (not alive or pid == os.getpid())


def end_with_parent() -> None:
    """End this job, with its children, when the Snakemake that started it is gone."""
    parents = psutil.Process().parents()
    snakemake = next((each for each in parents if "snakemake" in " ".join(each.cmdline()[:4])), None)
    threading.Thread(target=_end_after, args=(snakemake,), daemon=True).start()


def _end_after(snakemake: psutil.Process | None) -> None:
    while snakemake and snakemake.is_running() and snakemake.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.2)
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os.kill(os.getpid(), signal.SIGKILL)
