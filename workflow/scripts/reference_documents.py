"""Collect the corpus's documents. In: recipe, installed packages. Out: one table, provenance and text."""

from _script import logged

with logged(snakemake):
    from polyhead.reference.build import build_documents
    from polyhead.reference.recipe import load_recipe

    build_documents(load_recipe(snakemake.input.recipe).corpus, snakemake.output.documents)
