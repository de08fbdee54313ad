# In:  the corpus split that the config names, or a data set on the Hugging Face hub; the tokenizer.
# Out: prompts.parquet, the study's prompts; sampling.json, how they were drawn and from what.


rule sample:
    input:
        split=corpus_files(),
        packed=[f"{OUT}/corpus/{STUDY.corpus.split}.json"] if STUDY.corpus.text or MADE_WITH else [],
        tokenizer=f"{STUDY.model}/tokenizer.json",
    output:
        prompts=f"{OUT}/prompts.parquet",
        sampling=f"{OUT}/sampling.json",
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(60),
    params:
        prompts=STUDY.prompts,
        context=STUDY.context,
        seed=STUDY.seed,
        corpus=STUDY.corpus.model_dump(),
        megabytes=None if STUDY.sample.exact else STUDY.sample.megabytes,
    message:
        f"Sampling {{params.prompts}} prompts of {{params.context}} tokens from {STUDY.corpus.where}"
    script:
        "../scripts/sample.py"
