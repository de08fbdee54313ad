"""Time section 1. In: tokenizer, corpus (for its tokens). Out: attention.csv."""

from _script import logged, use_threads

with logged(snakemake):
    import numpy as np
    import pyarrow.parquet as pq

    from polyhead.benchmarks.attention import run
    from polyhead.files import write_csv

    use_threads(snakemake.threads)
    params = snakemake.params
    tokens = pq.read_table(snakemake.input.corpus, columns=["tokens"])["tokens"][
        : params.sequences
    ].to_numpy()
    prompts = np.stack(tokens).astype(np.int32).reshape(-1, 1024)
    table = run(snakemake.input.tokenizer, prompts, params.rounds, tuple(params.numbers))
    write_csv(snakemake.output.table, table)
