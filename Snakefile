# polyhead: what one attention head attends to, and what the model loses without it.
#
#   snakemake                                     the default study (config.yaml)
#   snakemake --config head=2.3                   another head
#   snakemake --configfile config/smoke.yaml      another study
#   snakemake --snakefile <checkout>/Snakefile    the same from any folder; a config.yaml there goes on top
from pathlib import Path


configfile: Path(workflow.basedir) / "config.yaml"


if Path("config.yaml").exists() and not Path("config.yaml").samefile(Path(workflow.basedir) / "config.yaml"):

    configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/machine.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/rows.smk"
include: "workflow/rules/distribution.smk"
include: "workflow/rules/sensitivity.smk"
include: "workflow/rules/unknown.smk"
include: "workflow/rules/atlas.smk"
include: "workflow/rules/ablation.smk"
include: "workflow/rules/provenance.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/reference.smk"
include: "workflow/rules/benchmark.smk"
include: "workflow/rules/benchmark_section2.smk"


# What is made on the way is asked for by name: of a file that nothing asks for, and that a job removed which then
# failed or was killed, Snakemake keeps whatever was made from its last version, and says that nothing is to be done.
INTERMEDIATE = [
    *rules.sample.output,
    *expand(rules.rows.output, shard=SHARDS),
    *expand(rules.classify.output, head=HEADS),
    *expand(rules.distribution.output, head=HEADS),
    *rules.provenance.output,
    *rules.rulegraph.output,
    *rules.explorer_rows.output,
    *rules.explorer.output,
    *rules.report_variables.output,
]
if SOURCE:
    INTERMEDIATE += rules.fetch_model.output
if TASKS:
    INTERMEDIATE += [*rules.fill_templates.output, *expand(rules.ablate.output, head=HEADS, task=TASKS)]
if STUDY.ablation.real_text_prompts:
    INTERMEDIATE += expand(rules.real_text.output, head=HEADS)


rule all:
    default_target: True
    input:
        STUDY_OUTPUTS,
        INTERMEDIATE,
        rules.numbers.output,
        rules.report.output,
