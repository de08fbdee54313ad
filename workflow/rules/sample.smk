# In:  the corpus split that the config names.
# Out: prompts.parquet, the study's prompts.


rule sample:
    input:
        split=f"{STUDY.corpus.path}/{STUDY.corpus.split}.parquet",
        tokenizer=f"{STUDY.model}/tokenizer.json",
        library=library("prompts", "tokens", "files"),
    output:
        prompts=f"{OUT}/prompts.parquet",
    log:
        f"{OUT}/logs/sample.log",
    benchmark:
        f"{OUT}/benchmarks/sample.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        prompts=STUDY.prompts,
        context=STUDY.context,
        seed=STUDY.seed,
    message:
        "Sampling {params.prompts} prompts of {params.context} tokens from {input.split}"
    script:
        "../scripts/sample.py"
