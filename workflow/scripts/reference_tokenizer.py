"""Learn the tokenizer, or take that of the model to go on from. In: recipe, documents. Out: a tokenizer."""

from _script import logged

with logged(snakemake):
    import shutil
    from pathlib import Path

    from polyhead.reference.build import build_tokenizer
    from polyhead.reference.recipe import load_recipe

    recipe = load_recipe(snakemake.input.recipe)
    seed, start = recipe.training.seed, recipe.training.go_on_from
    if start:
        shutil.copyfile(Path(start) / "tokenizer.json", snakemake.output.tokenizer)
    else:
        build_tokenizer(snakemake.input.documents, recipe.tokenizer, snakemake.output.tokenizer, seed)
