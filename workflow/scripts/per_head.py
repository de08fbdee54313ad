"""Run the script of the rule's name for every head of the job, in one process that imports things once.

To that script it looks as if Snakemake had started it for the head alone: `wildcards.head`, the head's files,
a log of its own.
"""

import copy
import re
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

LISTS = ("shards", "outcomes")  # inputs of which a head has several
LISTS_MADE = ("figures",)  # outputs of which it has several


def of_head(files: Any, head: str, lists: tuple[str, ...] = ()) -> SimpleNamespace:
    """Return the files of one head, by name; what belongs to no head is every head's."""
    found = {}
    for name, given in files.items():
        listed = [given] if isinstance(given, str) else list(given)
        own = [path for path in listed if f"/heads/{head}/" in path]
        found[name] = given if not own else own if name in lists else own[0]
    return SimpleNamespace(**found)


def for_head(snakemake: Any, head: str) -> SimpleNamespace:
    """Return what the script of a rule sees of a job for one head."""
    return SimpleNamespace(
        input=of_head(snakemake.input, head, LISTS),
        output=of_head(snakemake.output, head, LISTS_MADE),
        params=SimpleNamespace(**copy.deepcopy(dict(snakemake.params.items()))),
        wildcards=SimpleNamespace(**dict(snakemake.wildcards.items()), head=head),
        log=[Path(snakemake.log[0]).with_name(log_name(snakemake, head))],
        threads=snakemake.threads,
        rule=snakemake.rule,
    )


def log_name(snakemake: Any, head: str) -> str:
    """Return the name of a head's log: that of the job, which names the layer, with the head instead."""
    name = Path(snakemake.log[0]).name
    return re.sub(rf"^{re.escape(snakemake.wildcards.heads)}(?=[_.])", head, name)


def heads_of(snakemake: Any) -> list[str]:
    """Return the heads whose files a job makes, in order."""
    return list(dict.fromkeys(re.findall(r"/heads/(\d+\.\d+)/", " ".join(snakemake.output))))


script = Path(snakemake.scriptdir) / f"{snakemake.rule}.py"
for head in heads_of(snakemake):
    runpy.run_path(str(script), {"snakemake": for_head(snakemake, head)})
