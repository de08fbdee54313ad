"""Learn the tokenizer. In: recipe, documents. Out: tokenizer.json."""

from _script import logged

with logged(snakemake):
    from polyhead.reference.build import build_tokenizer
    from polyhead.reference.recipe import load_recipe

    recipe = load_recipe(snakemake.input.recipe)
    seed = recipe.training.seed
    build_tokenizer(snakemake.input.documents, recipe.tokenizer, snakemake.output.tokenizer, seed)
