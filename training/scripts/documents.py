"""Collect the corpus's documents. In: recipe, locks, wheels. Out: one table, provenance, cluster and text."""

from pathlib import Path

from job import stage

from polyhead.files import write_parquet
from training.corpus import read_documents
from training.duplicates import grouped, without_duplicates
from training.recipe import load_recipe
from training.sequences import documents_table


@stage
def main(input, output):
    recipe = load_recipe(input.recipe).corpus
    documents = read_documents(input.locks, Path(input.wheels), recipe)
    kept = without_duplicates(documents, recipe.near_duplicate_similarity, recipe.permutations)
    write_parquet(output.documents, documents_table(*grouped(kept, recipe), recipe.held_out_one_in))
