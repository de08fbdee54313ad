# In:  a head's shards of rows; the model is not needed.
# Out: sensitivity.csv, shares over thresholds 0.80-0.99 and windows 1-8, and its figure.


rule sensitivity:
    input:
        shards=expand(head_file("rows/{shard}.parquet"), shard=SHARDS, allow_missing=True),
    output:
        sensitivity=head_file("sensitivity.csv"),
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        window=STUDY.previous_window,
        taxonomies=STUDY.taxonomies,
    message:
        f"Shares of {WHICH} at other thresholds and windows"
    script:
        PER_HEAD


rule sensitivity_figure:
    input:
        sensitivity=rules.sensitivity.output.sensitivity,
    output:
        figure=head_file("figures/sensitivity.svg"),
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        window=STUDY.previous_window,
        threshold=STUDY.threshold,
    message:
        f"Figure: sensitivity of {WHICH}"
    script:
        PER_HEAD
