"""Tokenise and pack one split. In: recipe, documents, tokenizer. Out: sequences and their documents."""

from _script import logged

with logged(snakemake):
    from polyhead.training.build import build_sequences
    from polyhead.training.recipe import load_recipe

    inputs, split, context = snakemake.input, snakemake.wildcards.split, int(snakemake.wildcards.context)
    seed = load_recipe(inputs.recipe).corpus.seed
    build_sequences(inputs.documents, inputs.tokenizer, split, context, seed, snakemake.output.sequences)
