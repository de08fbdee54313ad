"""Draw the held-out prompts that all variants are measured on. In: sequences, documents. Out: prompts."""

from _script import logged

with logged(snakemake):
    import pyarrow.parquet as pq

    from polyhead.files import write_parquet
    from polyhead.training.packing import read_packed
    from polyhead.training.scarcity import load_measures
    from polyhead.training.sequences import PROVENANCE, sample_sequences, sequences_table

    measures = load_measures(snakemake.input.recipe)
    packed = sample_sequences(read_packed(snakemake.input.held_out), measures.prompts, measures.seed)
    documents = pq.read_table(snakemake.input.documents, columns=PROVENANCE)
    write_parquet(snakemake.output.prompts, sequences_table(packed, documents))
