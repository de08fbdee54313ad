"""Learn the tokenizer. In: recipe, documents. Out: a tokenizer."""

from _script import logged

with logged(snakemake):
    from polyhead.training.build import build_tokenizer
    from polyhead.training.recipe import load_recipe

    recipe = load_recipe(snakemake.input.recipe)
    build_tokenizer(
        snakemake.input.documents, recipe.tokenizer, snakemake.output.tokenizer, recipe.corpus.seed
    )
