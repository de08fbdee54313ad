# In:  the corpus that the config names (splits, text, or a data set on the Hugging Face hub); tokenizer, model (a
#      directory, or what has to be fetched: a repository on the hub, a directory of transformers, a GGUF file).
# Out: model/, the directory that every stage reads, where it was fetched; prompts.parquet, the study's prompts; sampling.json, how they were drawn and from what. Of text that the report
#      does not read (another split, or other sequences of the data set) the same in selection/, with edges.csv and
#      verdicts.csv of every head; selection.json, how the heads rank, and by which criterion; selected_tokens.json of
#      each head, the destination tokens that figures show.
# With `head: auto` the study is of the head that comes out first. Without text to choose on nothing is chosen.
# Text, and sequences of another tokenizer, are first packed into sequences of the model's own tokens.

SPLITS = [STUDY.corpus.split, *([STUDY.selection.split] if STUDY.selection.prompts else [])]


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


if STUDY.corpus.text or MADE_WITH:

    rule pack_text:
        input:
            text=STUDY.corpus.text or expand(f"{STUDY.corpus.path}/{{split}}.parquet", split=SPLITS),
            made_with=str(MADE_WITH) if MADE_WITH else [],
            tokenizer=f"{STUDY.model}/tokenizer.json",
        output:
            sequences=expand(f"{OUT}/corpus/{{split}}.parquet", split=SPLITS),
            records=expand(f"{OUT}/corpus/{{split}}.json", split=SPLITS),
        localrule: True
        resources:
            mem_mb=4000,
        params:
            needed=[STUDY.prompts, 1][: len(SPLITS)],  # to choose on, what there is
            text=STUDY.corpus.text,
            column=STUDY.corpus.text_column,
            files=listing(STUDY.corpus.text),
            context=STUDY.context,
            seed=STUDY.seed,
            megabytes=None if STUDY.sample.exact else STUDY.sample.megabytes,
            where=STUDY.corpus.where,
        message:
            "Tokenising and packing the text of {params.where}"
        script:
            "../scripts/pack_text.py"


rule sample:
    input:
        splits=[file for split in SPLITS for file in split_files(split)],
        packed=[f"{OUT}/corpus/{STUDY.corpus.split}.json"] if STUDY.corpus.text or MADE_WITH else [],
        tokenizer=f"{STUDY.model}/tokenizer.json",
    output:
        prompts=f"{OUT}/prompts.parquet",
        sampling=f"{OUT}/sampling.json",
        selection=expand(
            f"{OUT}/selection/{{name}}",
            name=["prompts.parquet", "sampling.json"] if STUDY.selection.prompts else [],
        ),
    localrule: True
    resources:
        mem_mb=3000,
    params:
        prompts=STUDY.prompts,
        selected=STUDY.selection.prompts,
        context=STUDY.context,
        seed=STUDY.seed,
        corpus=STUDY.corpus.model_dump(),
        megabytes=None if STUDY.sample.exact else STUDY.sample.megabytes,
    message:
        f"Sampling {{params.prompts}} prompts of {{params.context}} tokens from {STUDY.corpus.where}"
    script:
        "../scripts/sample.py"


if STUDY.selection.prompts:

    rule selection:
        input:
            prompts=f"{OUT}/selection/prompts.parquet",
            sampling=f"{OUT}/selection/sampling.json",
            model=model_files(),
        output:
            edges=f"{OUT}/selection/edges.csv",
            verdicts=f"{OUT}/selection/verdicts.csv",
            selection=f"{OUT}/selection.json",
            tokens=expand(f"{HEAD}/selected_tokens.json", head=HEADS),
        threads: 2
        resources:
            gpu=GPU,
        params:  # not the heads: with `head: auto` they are known only after this rule, which then is not due again
            given=GIVEN,
            prompts=STUDY.selection.prompts,
            rows=STUDY.edges.rows,
            window=STUDY.previous_window,
            threshold=STUDY.threshold,
            taxonomy=STUDY.taxonomies[0],
            tokens=STUDY.destination_tokens.model_dump(exclude={"minimum_rows"}),
            device=STUDY.device,
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            "Ranking the heads on {params.prompts} other prompts"
        script:
            "../scripts/selection.py"
