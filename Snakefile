# polyhead: what one attention head attends to, and what the model loses without it.
#
#   snakemake                                     the default study (config.yaml)
#   snakemake --config head=2.3                   another head
#   snakemake --configfile config/smoke.yaml      another study
configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/rows.smk"
include: "workflow/rules/distribution.smk"


rule all:
    default_target: True
    input:
        expand(
            head_file("figures/distribution_{taxonomy}.svg"),
            head=HEADS,
            taxonomy=STUDY.taxonomies,
        ),
        expand(head_file("examples.json"), head=HEADS),
