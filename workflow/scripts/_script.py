"""What every script does: write to the rule's log, end with one clear line when something is wrong."""

import contextlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def logged(snakemake: Any) -> Iterator[None]:
    """Send output to the rule's log; on an error show its one line on the screen too, and fail.

    Traceback and detail go to the log alone. Torch gets as many threads as the rule was given.
    """
    screen = sys.stderr
    log = Path(str(snakemake.log[0]))
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w", encoding="utf-8") as file,
        contextlib.redirect_stderr(file),
        contextlib.redirect_stdout(file),
    ):
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            print(f"{snakemake.rule}: {error}\n  log: {log}", file=screen, flush=True)
            raise SystemExit(1) from None


def use_threads(threads: int) -> None:
    """Give torch the cores that Snakemake gave the job, and no more."""
    import torch

    torch.set_num_threads(threads)
