# In:  STUDY.
# Out: memory() and minutes(), what a job asks for, more with every try; the claim on the study while it is run.
from polyhead.errors import PolyheadError
from polyhead.running import claim, forget_killed_runs, release, running_now

# Options with which Snakemake runs no job: they are fine while another process runs the study.
LOOKING = {"-n", "--dry-run", "--dryrun", "--unlock", "--lint", "--list", "-l", "--summary", "-D"}
LOOKING |= {"--rulegraph", "--dag", "--filegraph", "--d3dag", "--detailed-summary", "--report"}


def claimed():
    """What this run claims: the study, or the reference model, which may be trained beside any study."""
    targets = workflow.dag_settings.targets
    return "reference model" if any(name.startswith("reference_") for name in targets) else STUDY.study


def memory(mb):
    """MiB of memory for a job: so many at the first try, twice and three times as many at the next."""
    return lambda wildcards, attempt: mb * attempt


def minutes(count):
    """Minutes that a job may take: so many at the first try, twice and three times as many at the next."""
    return lambda wildcards, attempt: count * attempt


if workflow.is_main_process:
    if forget_killed_runs():
        print("polyhead: the last run was killed; this one goes on where it stopped", file=sys.stderr)
    elif not LOOKING & set(sys.argv) and (CLAIM_OF_ANOTHER := running_now(STUDY.study)):
        sys.exit(f"polyhead: {CLAIM_OF_ANOTHER}")


onstart:
    try:
        claim(claimed())
    except PolyheadError as error:
        sys.exit(f"polyhead: {error}")


onsuccess:
    release()


onerror:
    release()
