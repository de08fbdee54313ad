"""What every script does: write to the rule's log, end with one clear line when something is wrong."""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO


@contextlib.contextmanager
def logged(snakemake: Any) -> Iterator[None]:
    """Send output to the rule's log; on an error show its one line on the screen too, and fail.

    Traceback and detail go to the log alone, and so does the largest memory that the job took. The job ends
    with the Snakemake that started it.
    """
    import resource

    from polyhead.errors import explain

    sys.path.append(str(Path(__file__).parents[1]))
    from running import end_with_parent

    end_with_parent()
    screen, path = sys.stderr, Path(str(snakemake.log[0]))
    with open_log(path) as log, contextlib.redirect_stderr(log), contextlib.redirect_stdout(log):
        try:
            yield
            with contextlib.suppress(OSError):
                print(
                    f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB",
                    flush=True,
                )
        except Exception as error:
            with contextlib.suppress(OSError):
                traceback.print_exc()
                log.flush()
            print(f"{snakemake.rule}: {explain(error)}\n  log: {path}", file=screen, flush=True)
            raise SystemExit(1) from None


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
