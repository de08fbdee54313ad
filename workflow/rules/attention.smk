# In:  prompts.parquet, the model.
# Out: per head rows/<shard>.parquet (the attention of every destination as masses on atoms), labels.parquet (a label
#      for every row), distribution.csv, figure_tokens.json, contrasts.csv, sensitivity.csv, examples.json and
#      examples/*.svg, figures/distribution_<taxonomy>.svg, figures/sensitivity.svg; atlas.csv (labels of every head of
#      the model, over the first `atlas_prompts` prompts) and figures/atlas.svg.


rule rows:
    input:
        prompts=rules.sample.output.prompts,
        model=model_files(),
    output:
        rows=expand(f"{HEAD}/rows/{{shard}}.parquet", head=HEADS, allow_missing=True),
    resources:
        gpu=GPU,
    params:
        heads=HEADS,
        window=STUDY.previous_window,
        device=STUDY.device,
        dtype=STUDY.dtype,
        size=STUDY.shard_prompts,
    message:
        "Running the model on shard {wildcards.shard}: rows of {params.heads}"
    script:
        "../scripts/rows.py"


rule label:
    input:
        shards=expand(f"{HEAD}/rows/{{shard}}.parquet", shard=SHARDS, allow_missing=True),
    output:
        labels=f"{HEAD}/labels.parquet",
    params:
        taxonomies=STUDY.taxonomies,
        threshold=STUDY.threshold,
    message:
        "Labelling the rows of head {wildcards.head} at threshold {params.threshold}"
    script:
        "../scripts/label.py"


rule attention:
    input:
        labels=f"{HEAD}/labels.parquet",
        shards=expand(f"{HEAD}/rows/{{shard}}.parquet", shard=SHARDS, allow_missing=True),
        selected=f"{HEAD}/selected_tokens.json" if STUDY.selection.prompts else [],
        prompts=rules.sample.output.prompts,
        model=model_files(),
    output:
        distribution=f"{HEAD}/distribution.csv",
        figure_tokens=f"{HEAD}/figure_tokens.json",
        contrasts=f"{HEAD}/contrasts.csv",
        sensitivity=f"{HEAD}/sensitivity.csv",
        examples=f"{HEAD}/examples.json",
        pictures=directory(f"{HEAD}/examples"),
    params:
        taxonomies=STUDY.taxonomies,
        window=STUDY.previous_window,
        tokens=STUDY.destination_tokens.model_dump(),
        per_token=STUDY.examples.per_token,
        before=STUDY.examples.tokens_before,
        n_resamples=STUDY.bootstrap,
        seed=STUDY.seed,
    message:
        "What head {wildcards.head} attends to: shares of labels, {params.n_resamples} bootstrap draws, and examples"
    script:
        "../scripts/attention.py"


if STUDY.atlas_prompts:

    rule atlas:
        input:
            prompts=rules.sample.output.prompts,
            model=model_files(),
        output:
            atlas=f"{OUT}/atlas.csv",
        resources:
            gpu=GPU,
        params:
            prompts=STUDY.atlas_prompts,
            window=STUDY.previous_window,
            threshold=STUDY.threshold,
            taxonomies=STUDY.taxonomies,
            device=STUDY.device,
            dtype=STUDY.dtype,
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            "Atlas: all heads over {params.prompts} prompts"
        script:
            "../scripts/atlas.py"


rule attention_figures:
    input:
        distributions=expand(f"{HEAD}/distribution.csv", head=HEADS),
        figure_tokens=expand(f"{HEAD}/figure_tokens.json", head=HEADS),
        sensitivities=expand(f"{HEAD}/sensitivity.csv", head=HEADS),
        atlas=f"{OUT}/atlas.csv" if STUDY.atlas_prompts else [],
    output:
        distributions=expand(
            f"{HEAD}/figures/distribution_{{taxonomy}}.svg", head=HEADS, taxonomy=STUDY.taxonomies
        ),
        sensitivities=expand(f"{HEAD}/figures/sensitivity.svg", head=HEADS),
        atlas=[f"{OUT}/figures/atlas.svg"] if STUDY.atlas_prompts else [],
    localrule: True
    params:
        heads=HEADS,
        taxonomies=STUDY.taxonomies,
        window=STUDY.previous_window,
        threshold=STUDY.threshold,
    message:
        "Figures: attention of {params.heads}"
    script:
        "../scripts/attention_figures.py"
