"""What Snakemake would run after each of many edits, asked in one process: the DAG is built once.

    python planner.py SNAKEFILE FOLDER CONFIGFILE < files, one a line

Every file is edited in turn (a line more, and a new time), Snakemake decides anew which jobs are due, and
the file is put back. Printed as JSON: `due`, the rules of these jobs for every file (the file "" stands for
no edit), and `follow`, the rules with a job that depends on one of a rule's, for every rule.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.io import IOCache
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings
from snakemake.workflow import Workflow


@contextmanager
def edited(name: str) -> Iterator[None]:
    """Change a file for a while, if one is named."""
    if not name:
        yield
        return
    path = Path(name)
    content, stat, now = path.read_bytes(), path.stat(), time.time() + 5
    path.write_bytes(content + b"\n# edited\n")
    os.utime(path, (now, now))
    yield
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def due(workflow: Workflow) -> list[str]:
    """Let Snakemake decide which jobs are due; return their rules."""
    workflow.iocache = IOCache(workflow.dag_settings.max_inventory_wait_time)
    workflow.dag._reason.clear()
    workflow.async_run(workflow.dag.update_needrun())
    return sorted({job.rule.name for job in workflow.dag.needrun_jobs()})


def follow(workflow: Workflow) -> dict[str, list[str]]:
    """Return for every rule the rules whose jobs depend on one of its jobs, all the way."""
    found: dict[str, set[str]] = {}
    for job in workflow.dag.jobs:
        later = {each.rule.name for each in workflow.dag.bfs(workflow.dag.depending, job)}
        found.setdefault(job.rule.name, set()).update(later - {job.rule.name})
    return {name: sorted(later) for name, later in found.items()}


def main(snakefile: str, folder: str, config: str) -> None:
    """Plan the study of a config after each edit."""
    names = sys.stdin.read().split("\n")
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        planned = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            config_settings=ConfigSettings(configfiles=[Path(config)]),
            snakefile=Path(snakefile),
            workdir=Path(folder),
        )
        planned.dag(DAGSettings())
        workflow = planned._workflow
        workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True, nolock=True)
        workflow._build_dag()
        found = {}
        for name in names:
            with edited(name):
                found[name] = due(workflow)
    print(json.dumps({"due": found, "follow": follow(workflow)}))


main(*sys.argv[1:])
