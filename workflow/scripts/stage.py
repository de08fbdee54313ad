"""What every script is: a function of a job's inputs, outputs and parameters."""

import contextlib
import inspect
import os
import resource
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from polyhead.errors import explain
from polyhead.model.head import Head

sys.path.append(str(Path(__file__).parents[1]))
from running import end_with_parent


def stage(main: Callable[..., None]) -> None:
    """Call a script's function for the job that Snakemake started it for.

    It gets `input`, `output` and, by name, the rule's params and wildcards that it asks for; `head` and
    `heads` as `Head`. What it prints goes to the rule's log; an error is one line on the screen.
    """
    snakemake = main.__globals__["snakemake"]
    end_with_parent()
    given = {**dict(snakemake.wildcards.items()), **dict(snakemake.params.items())}
    given |= {"input": snakemake.input, "output": snakemake.output, "screen": sys.stdout}
    given |= {"head": Head.parse(given["head"])} if "head" in given else {}
    given |= {"heads": [Head.parse(head) for head in given["heads"]]} if "heads" in given else {}
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(snakemake.threads)
    with logged(snakemake.rule, Path(snakemake.log[0])):
        main(**{name: given[name] for name in inspect.signature(main).parameters})


@contextlib.contextmanager
def logged(rule: str, path: Path) -> Iterator[None]:
    """Send output to a rule's log; on an error show its one line on the screen too, and fail."""
    screen = sys.stderr
    with open_log(path) as log, contextlib.redirect_stderr(log), contextlib.redirect_stdout(log):
        try:
            yield
            print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
        except Exception as error:
            traceback.print_exc()
            print(f"{rule}: {explain(error)}\n  log: {path}", file=screen, flush=True)
            raise SystemExit(1) from None


def open_log(path: Path) -> TextIO:
    """Open a rule's log; where none can be written, for one, on a full disk, go on without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError:
        return Path(os.devnull).open("w", encoding="utf-8")
