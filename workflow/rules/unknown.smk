# In:  labels.parquet of a head, prompts.parquet; the model is not needed.
# Out: unknown.csv, what the extended taxonomy makes of the rows that `post` leaves unknown; unknown_sources.csv,
#      the sources that stand out in rows unknown to both; a figure of the two.

BOTH_TAXONOMIES = {"post", "extended"} <= set(STUDY.taxonomies)
if BOTH_TAXONOMIES:
    deliver("unknown.csv", "unknown_sources.csv", "figures/unknown.svg")


rule unknown:
    input:
        labels=rules.classify.output.labels,
        prompts=rules.sample.output.prompts,
        tokenizer=f"{STUDY.model}/tokenizer.json",
        library=library("unknown", "distribution", "chunks", "tokens", "prompts", "files"),
    output:
        mixes=head_file("unknown.csv"),
        sources=head_file("unknown_sources.csv"),
    log:
        f"{OUT}/logs/unknown/{{head}}.log",
    benchmark:
        f"{OUT}/benchmarks/unknown/{{head}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        minimum=STUDY.destination_tokens.minimum_rows,
    message:
        "What is in unknown, head {wildcards.head}"
    script:
        "../scripts/unknown.py"


rule unknown_figure:
    input:
        mixes=rules.unknown.output.mixes,
        sources=rules.unknown.output.sources,
        shown=rules.distribution.output.shown,
        library=library("unknown_figure", "distribution_figure", "style", "tokens", "files"),
    output:
        figure=head_file("figures/unknown.svg"),
    log:
        f"{OUT}/logs/unknown_figure/{{head}}.log",
    benchmark:
        f"{OUT}/benchmarks/unknown_figure/{{head}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    message:
        "Figure: what is in unknown, head {wildcards.head}"
    script:
        "../scripts/unknown_figure.py"
