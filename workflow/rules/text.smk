# In:  text (a folder, JSONL, parquet), or packed sequences of another tokenizer; the model's tokenizer.
# Out: corpus/<split>.parquet, sequences of the model's own tokens; corpus/<split>.json, what they were made of.
# Only for a corpus that is not such sequences already. Without a split to choose on, no head is chosen.


if STUDY.corpus.text or MADE_WITH:
    TEXT_SPLITS = [STUDY.corpus.split, *([STUDY.selection.split] if STUDY.selection.prompts else [])]

    rule pack_text:
        input:
            text=STUDY.corpus.text or expand(f"{STUDY.corpus.path}/{{split}}.parquet", split=TEXT_SPLITS),
            made_with=str(MADE_WITH) if MADE_WITH else [],
            tokenizer=f"{STUDY.model}/tokenizer.json",
        output:
            sequences=expand(f"{OUT}/corpus/{{split}}.parquet", split=TEXT_SPLITS),
            records=expand(f"{OUT}/corpus/{{split}}.json", split=TEXT_SPLITS),
        localrule: True
        threads: 1
        resources:
            mem_mb=memory(4000),
            runtime=minutes(60),
        params:
            needed=[STUDY.prompts, 1][: len(TEXT_SPLITS)],  # to choose on, what there is
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
