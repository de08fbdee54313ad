# In:  prompts.parquet, the model.
# Out: heads/<l>.<h>/rows/<shard>.parquet, the attention of every destination as masses on atoms;
#      heads/<l>.<h>/labels.parquet, a label for every row.
# Only `rows` runs the model; all heads of the study in one pass.


rule rows:
    input:
        prompts=rules.sample.output.prompts,
        model=model_files(),
    output:
        expand(f"{OUT}/heads/{{head}}/rows/{{{{shard}}}}.parquet", head=HEADS),
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(60),
        gpu=GPU,
    params:
        heads=HEADS,
        window=STUDY.previous_window,
        device=STUDY.device,
        dtype=STUDY.dtype,
        first=lambda wildcards: int(wildcards.shard),
        size=STUDY.shard_prompts,
    message:
        "Running the model on shard {wildcards.shard}: rows of {params.heads}"
    script:
        "../scripts/rows.py"


rule classify:
    input:
        shards=expand(head_file("rows/{shard}.parquet"), shard=SHARDS, allow_missing=True),
    output:
        labels=head_file("labels.parquet"),
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(30),
    params:
        taxonomies=STUDY.taxonomies,
        threshold=STUDY.threshold,
    message:
        f"Labelling the rows of {WHICH} at threshold {{params.threshold}}"
    script:
        PER_HEAD
