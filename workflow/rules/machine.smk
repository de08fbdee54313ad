# In:  STUDY.
# Out: memory() and minutes(), what a job asks for, more with every try; the claim on the study while it is run.
from polyhead.errors import PolyheadError, explain
from polyhead.running import check_free, check_writable, claim, forget_killed_runs, release

# Options with which Snakemake runs no job: they are fine while another process runs the study.
LOOKING = {"-n", "--dry-run", "--dryrun", "--unlock", "--lint", "--list", "-l", "--summary", "-D"}
LOOKING |= {"--rulegraph", "--dag", "--filegraph", "--d3dag", "--detailed-summary", "--report"}


# What a run claims: the study, or the reference model, which may be trained beside any study.
TRAINING = any(argument.startswith("reference_") for argument in sys.argv[1:])
CLAIMED = "reference model" if TRAINING else STUDY.study


# What fetches from a hub needs a network, and drawing and writing take a second or two: on a cluster these run
# beside Snakemake, not in the queue.
localrules:
    sample,
    distribution_figure,
    by_kind_figure,
    sensitivity_figure,
    unknown_figure,
    atlas_figure,
    ablation_figure,
    real_text_table,
    fill_templates,
    explorer,
    numbers,
    rulegraph,
    report_variables,
    report,


# How many a job asks for that runs the model; "auto" takes what there is and asks for none.
GPU = 1 if STUDY.device == "cuda" else 0


def memory(mb):
    """MiB of memory for a job: so many at the first try, twice and three times as many at the next."""
    return lambda wildcards, attempt: mb * attempt


def minutes(count):
    """Minutes that a job may take: so many at the first try, twice and three times as many at the next."""
    return lambda wildcards, attempt: count * attempt


if workflow.is_main_process and not LOOKING & set(sys.argv):
    try:
        check_writable(OUT)
        check_free(CLAIMED)
    except PolyheadError as error:
        sys.exit(f"polyhead: {explain(error)}")
    if forget_killed_runs():
        print("polyhead: the last run was killed; this one goes on where it stopped", file=sys.stderr)


onstart:
    try:
        if workflow.is_main_process:
            claim(CLAIMED)
    except PolyheadError as error:
        sys.exit(f"polyhead: {explain(error)}")


onsuccess:
    release()


onerror:
    release()
