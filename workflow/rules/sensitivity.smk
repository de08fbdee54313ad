# In:  a head's shards of rows; the model is not needed.
# Out: sensitivity.csv, shares over thresholds 0.80-0.99 and windows 1-8, and its figure.

deliver("sensitivity.csv", "figures/sensitivity.svg")


rule sensitivity:
    input:
        shards=expand(head_file("rows/{shard}.parquet"), shard=SHARDS, allow_missing=True),
        library=library("sensitivity", "labels", "files"),
    output:
        sensitivity=head_file("sensitivity.csv"),
    log:
        f"{OUT}/logs/sensitivity/{{head}}.log",
    benchmark:
        f"{OUT}/benchmarks/sensitivity/{{head}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        window=STUDY.previous_window,
        taxonomies=STUDY.taxonomies,
    message:
        "Shares of head {wildcards.head} at other thresholds and windows"
    script:
        "../scripts/sensitivity.py"


rule sensitivity_figure:
    input:
        sensitivity=rules.sensitivity.output.sensitivity,
        library=library("sensitivity_figure", "style", "files"),
    output:
        figure=head_file("figures/sensitivity.svg"),
    log:
        f"{OUT}/logs/sensitivity_figure/{{head}}.log",
    benchmark:
        f"{OUT}/benchmarks/sensitivity_figure/{{head}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        window=STUDY.previous_window,
        threshold=STUDY.threshold,
    message:
        "Figure: sensitivity of head {wildcards.head}"
    script:
        "../scripts/sensitivity_figure.py"
