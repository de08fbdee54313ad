"""Export the corpus's sample. In: recipe, documents, packed rows. Out: resources/corpus, checksums."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.reference.recipe import load_recipe
    from polyhead.reference.ship import ship_corpus, write_checksums

    directory = Path(snakemake.params.directory)
    ship_corpus(Path(snakemake.params.folder), load_recipe(snakemake.input.recipe), directory)
    write_checksums(directory.parent)
