# In:  labels.parquet of a head.
# Out: distribution.csv (shares with intervals, for all rows and every frequent destination token), shown.json
#      (the destination tokens that figures show), by_kind.csv (the same by kind of source: code, prose), the
#      figures, and example rows with pictures.

deliver("distribution.csv", "examples.json")
deliver("by_kind.csv")
deliver("figures/distribution_{taxonomy}.svg", "figures/by_kind_{taxonomy}.svg", taxonomy=STUDY.taxonomies)


rule distribution:
    input:
        labels=rules.classify.output.labels,
        tokenizer=f"{STUDY.model}/tokenizer.json",
        library=library("distribution", "bootstrap", "chunks", "tokens", "files"),
    output:
        distribution=head_file("distribution.csv"),
        shown=head_file("shown.json"),
    log:
        f"{OUT}/logs/distribution/{{head}}.log",
    benchmark:
        f"{OUT}/benchmarks/distribution/{{head}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(30),
    params:
        taxonomies=STUDY.taxonomies,
        tokens=STUDY.destination_tokens.model_dump(),
        draws=STUDY.bootstrap,
        seed=STUDY.seed,
    message:
        "Shares of behaviours of head {wildcards.head}, {params.draws} bootstrap draws"
    script:
        "../scripts/distribution.py"


rule distribution_figure:
    input:
        distribution=rules.distribution.output.distribution,
        shown=rules.distribution.output.shown,
        library=library("distribution_figure", "style", "files"),
    output:
        figure=head_file("figures/distribution_{taxonomy}.svg"),
    log:
        f"{OUT}/logs/distribution_figure/{{head}}_{{taxonomy}}.log",
    benchmark:
        f"{OUT}/benchmarks/distribution_figure/{{head}}_{{taxonomy}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    message:
        "Figure: distribution of behaviours of head {wildcards.head} ({wildcards.taxonomy})"
    script:
        "../scripts/distribution_figure.py"


rule examples:
    input:
        labels=rules.classify.output.labels,
        shown=rules.distribution.output.shown,
        prompts=rules.sample.output.prompts,
        model=model_files(),
        library=library(
            "examples",
            "chunks",
            "prompts",
            "token_picture",
            "rows",
            "transformer",
            "models",
            "tokens",
            "style",
        ),
    output:
        examples=head_file("examples.json"),
        pictures=directory(head_file("examples")),
    log:
        f"{OUT}/logs/examples/{{head}}.log",
    benchmark:
        f"{OUT}/benchmarks/examples/{{head}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
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
        "Example rows of head {wildcards.head}, drawn at random"
    script:
        "../scripts/examples.py"


rule by_kind:
    input:
        labels=rules.classify.output.labels,
        prompts=rules.sample.output.prompts,
        library=library("distribution", "bootstrap", "chunks", "files"),
    output:
        by_kind=head_file("by_kind.csv"),
    log:
        f"{OUT}/logs/by_kind/{{head}}.log",
    benchmark:
        f"{OUT}/benchmarks/by_kind/{{head}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        taxonomies=STUDY.taxonomies,
        draws=STUDY.bootstrap,
        seed=STUDY.seed,
    message:
        "Shares of behaviours of head {wildcards.head} by kind of source"
    script:
        "../scripts/by_kind.py"


rule by_kind_figure:
    input:
        by_kind=rules.by_kind.output.by_kind,
        library=library("distribution_figure", "style", "files"),
    output:
        figure=head_file("figures/by_kind_{taxonomy}.svg"),
    log:
        f"{OUT}/logs/by_kind_figure/{{head}}_{{taxonomy}}.log",
    benchmark:
        f"{OUT}/benchmarks/by_kind_figure/{{head}}_{{taxonomy}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    message:
        "Figure: behaviours of head {wildcards.head} by kind of source ({wildcards.taxonomy})"
    script:
        "../scripts/by_kind_figure.py"
