"""What every script does: write to the rule's log, end with one clear line when something is wrong."""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

NOT_DATA = ("library", "claimed")
"""Inputs that stand for the code of a rule, and for its claim on the folder of results."""


@contextlib.contextmanager
def logged(snakemake: Any) -> Iterator[None]:
    """Send output to the rule's log; on an error show its one line on the screen too, and fail.

    Traceback and detail go to the log alone, and so does the largest memory that the job took. The job ends
    with the Snakemake that started it. What it read and wrote is recorded, with checksums.
    """
    from polyhead.errors import explain
    from polyhead.memory import peak_memory
    from polyhead.study.records import now, write_record
    from polyhead.study.running import end_with_parent

    end_with_parent()
    screen, path, started = sys.stderr, Path(str(snakemake.log[0])), now()
    with open_log(path) as log, contextlib.redirect_stderr(log), contextlib.redirect_stdout(log):
        try:
            yield
            read = listed(snakemake.input, *NOT_DATA)
            write_record(snakemake.rule, path, read, listed(snakemake.output), started)
            with contextlib.suppress(OSError):
                print(f"largest memory: {peak_memory():.0f} MiB", flush=True)
        except Exception as error:
            with contextlib.suppress(OSError):
                traceback.print_exc()
                log.flush()
            print(f"{snakemake.rule}: {explain(error)}\n  log: {path}", file=screen, flush=True)
            raise SystemExit(1) from None


def listed(files: Any, *without: str) -> list[str]:
    """Return the files of a job's named inputs or outputs, as a list."""
    named = dict(files.items()) if hasattr(files, "items") else vars(files)
    groups = [group for name, group in named.items() if name not in without]
    return [str(path) for group in groups for path in ([group] if isinstance(group, (str, Path)) else group)]


@contextlib.contextmanager
def open_log(path: Path) -> Iterator[TextIO]:
    """Open a rule's log; where none can be written, for one, on a full disk, go on without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError:
        file = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()


def use_threads(threads: int) -> None:
    """Give torch the cores that Snakemake gave the job, and no more."""
    import torch

    torch.set_num_threads(threads)
