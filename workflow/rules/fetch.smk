# In:  a model on the Hugging Face hub, or a local Hugging Face directory, and its tokenizer.
# Out: results/<study>/model/, the directory that every stage reads, and source.json: where it comes from.
# Only for models that are not such a directory already.


if SOURCE:

    rule fetch_model:
        input:
            library=library("checkpoints", "hub", "models", "tokens", "files"),
        output:
            config=f"{OUT}/model/config.json",
            model=f"{OUT}/model/model.safetensors",
            tokenizer=f"{OUT}/model/tokenizer.json",
            roles=f"{OUT}/model/tokenizer_config.json",
            source=f"{OUT}/model/source.json",
        log:
            f"{OUT}/logs/fetch_model.log",
        benchmark:
            f"{OUT}/benchmarks/fetch_model.tsv"
        localrule: True
        conda:
            "../../envs/polyhead.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
            runtime=minutes(60),
        params:
            source=SOURCE.model_dump(),
        message:
            f"Fetching the model {SOURCE.repo}"
        script:
            "../scripts/fetch_model.py"
