"""Collect the corpus's documents. In: recipe, wheels. Out: one table, provenance, cluster and text."""

from pathlib import Path

from _script import logged

with logged(snakemake):
    from polyhead.training.build import build_documents
    from polyhead.training.recipe import load_recipe

    recipe = load_recipe(snakemake.input.recipe).corpus
    build_documents(recipe, Path(snakemake.input.wheels), Path(snakemake.output.documents))
