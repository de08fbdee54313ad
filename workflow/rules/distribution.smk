# In:  labels.parquet of a head; prompts.parquet for the documents that rows are from.
# Out: distribution.csv (shares with intervals, for all rows and every frequent destination token), figure_tokens.json
#      (the destination tokens that figures show), by_source_type.csv (the same by type of source: code, prose), the
#      figures, and example rows with pictures.


rule distribution:
    input:
        labels=rules.classify.output.labels,
        tokenizer=f"{STUDY.model}/tokenizer.json",
        prompts=rules.sample.output.prompts,
        selected=head_file("selected_tokens.json") if STUDY.selection.prompts else [],
    output:
        distribution=head_file("distribution.csv"),
        figure_tokens=head_file("figure_tokens.json"),
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(30),
    params:
        taxonomies=STUDY.taxonomies,
        tokens=STUDY.destination_tokens.model_dump(),
        n_resamples=STUDY.bootstrap,
        seed=STUDY.seed,
    message:
        f"Shares of behaviours of {WHICH}, {{params.n_resamples}} bootstrap draws"
    script:
        PER_HEAD


rule distribution_figure:
    input:
        distribution=rules.distribution.output.distribution,
        figure_tokens=rules.distribution.output.figure_tokens,
    output:
        figure=head_file("figures/distribution_{taxonomy}.svg"),
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    message:
        f"Figure: distribution of behaviours of {WHICH} ({{wildcards.taxonomy}})"
    script:
        PER_HEAD


rule examples:
    input:
        labels=rules.classify.output.labels,
        figure_tokens=rules.distribution.output.figure_tokens,
        prompts=rules.sample.output.prompts,
        model=model_files(),
    output:
        examples=head_file("examples.json"),
        pictures=directory(head_file("examples")),
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        taxonomies=STUDY.taxonomies,
        per_token=STUDY.examples.per_token,
        before=STUDY.examples.tokens_before,
        seed=STUDY.seed,
    message:
        f"Example rows of {WHICH}, drawn at random"
    script:
        PER_HEAD
