"""Tokenise and pack one split. In: recipe, documents, tokenizer. Out: rows and their document ids (.npz)."""

from _script import logged

with logged(snakemake):
    from polyhead.reference.build import build_rows
    from polyhead.reference.recipe import load_recipe

    recipe = load_recipe(snakemake.input.recipe)
    documents, tokenizer = snakemake.input.documents, snakemake.input.tokenizer
    context, seed = recipe.model.context, recipe.training.seed
    build_rows(documents, tokenizer, snakemake.wildcards.split, context, seed, snakemake.output.rows)
