# In:  labels.parquet of a head, prompts.parquet; the model is not needed.
# Out: unknown.csv, what the extended taxonomy makes of the rows that `post` leaves unknown; unknown_sources.csv,
#      the sources that stand out in rows unknown to both; a figure of the two.

BOTH_TAXONOMIES = {"post", "extended"} <= set(STUDY.taxonomies)

if BOTH_TAXONOMIES:

    rule unknown:
        input:
            labels=rules.classify.output.labels,
            prompts=rules.sample.output.prompts,
            tokenizer=f"{STUDY.model}/tokenizer.json",
        output:
            mixes=head_file("unknown.csv"),
            sources=head_file("unknown_sources.csv"),
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes(30),
        params:
            minimum=STUDY.destination_tokens.minimum_rows,
        message:
            f"What is in unknown, {WHICH}"
        script:
            PER_HEAD

    rule unknown_figure:
        input:
            mixes=rules.unknown.output.mixes,
            sources=rules.unknown.output.sources,
            figure_tokens=rules.distribution.output.figure_tokens,
        output:
            figure=head_file("figures/unknown.svg"),
        localrule: True
        threads: 1
        resources:
            mem_mb=memory(1000),
            runtime=minutes(10),
        message:
            f"Figure: what is in unknown, {WHICH}"
        script:
            PER_HEAD
