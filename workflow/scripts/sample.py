"""Draw the study's prompts. In: corpus split, tokenizer. Out: prompts.parquet."""

from _script import logged

with logged(snakemake):
    from polyhead.files import write_parquet
    from polyhead.prompts import sample_prompts
    from polyhead.tokens import open_vocabulary

    params = snakemake.params
    bos = open_vocabulary(snakemake.input.tokenizer).bos
    prompts = sample_prompts(snakemake.input.split, params.prompts, params.context, bos, params.seed)
    write_parquet(snakemake.output.prompts, prompts)
