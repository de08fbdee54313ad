# polyhead: what one attention head attends to, and what the model loses without it.
#
#   snakemake                                     the default study (config.yaml)
#   snakemake --config head=3.1                   another head
#   snakemake --configfile config/smoke.yaml      another study
#   snakemake --snakefile <checkout>/Snakefile    the same from any folder; a config.yaml there goes on top
from pathlib import Path


configfile: Path(workflow.basedir) / "config.yaml"


OWN = [
    path
    for path in [Path("config.yaml")]
    if path.exists() and not path.samefile(Path(workflow.basedir) / path)
]

if OWN:

    configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/sample.smk"


if HEADS:

    include: "workflow/rules/attention.smk"
    include: "workflow/rules/tasks.smk"
    include: "workflow/rules/edges.smk"
    include: "workflow/rules/mechanism.smk"
    include: "workflow/rules/report.smk"


rule all:
    """Make a study: its tables, figures, report and explorer (what plain `snakemake` does)."""
    default_target: True
    input:
        made(),
    message:
        f"All of the study {STUDY.study}"


rule help:
    """Print these lines."""
    localrule: True
    message:
        "Targets of the study, config after them (--config head=3.1, --configfile config/smoke.yaml):\n"
        + "\n".join(
            f"  snakemake {each.name:14} {each.docstring}" for each in workflow.rules if each.docstring
        )


complete(workflow.rules)
