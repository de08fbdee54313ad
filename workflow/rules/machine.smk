# In:  STUDY.
# Out: memory() and minutes(), what a job asks for, more with every try; runs_alone(), the claim on a folder of
#      results while it is filled.
from functools import cache

from polyhead.errors import PolyheadError, explain

sys.path.append(str(BASE / "workflow"))
from running import claim, forget_killed_runs


# What fetches from a hub needs a network, and drawing and writing take a second or two: on a cluster these run
# beside Snakemake, not in the queue.
localrules:
    sample,
    distribution_figure,
    sensitivity_figure,
    explorer,


# How many a job asks for that runs the model; "auto" takes what there is and asks for none.
GPU = 1 if STUDY.device == "cuda" else 0


def memory(mb):
    """MiB of memory for a job: so many at the first try, twice and three times as many at the next."""
    return lambda wildcards, attempt: mb * attempt


def minutes(count):
    """Minutes that a job may take, for each of its heads: so many at the first try, then twice as many, ..."""

    def asked_for(wildcards, attempt):
        heads = len(head_file("")) if "heads" in wildcards.keys() else 1
        return count * attempt * heads

    return asked_for


def runs_alone(folder):
    """Return an input function that makes sure that nobody else fills a folder of results; it adds no input.

    Snakemake calls it while it plans the jobs, when it knows whether it will run them, and before it looks for
    its own locks. What only looks (-n, --lint, --summary, --rulegraph, ...) is left alone.
    """

    def claimed(wildcards):
        if workflow.is_main_process and workflow.executor_plugin is not None and not workflow.dryrun:
            _claim(folder)
        return []

    return claimed


@cache
def _claim(folder):
    try:
        if forget_killed_runs():
            print("polyhead: the last run was killed; this one goes on where it stopped", file=sys.stderr)
        claim(Path(folder).name)
    except PolyheadError as error:
        sys.exit(f"polyhead: {explain(error)}")
