"""Export the corpus's sample. In: recipe, documents, packed rows. Out: resources/corpus, checksums."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.reference.recipe import load_recipe
    from polyhead.reference.ship import ship_corpus, write_checksums

    inputs, directory = snakemake.input, Path(snakemake.params.directory)
    rows = {"train": Path(inputs.train), "held_out": Path(inputs.held_out)}
    ship_corpus(Path(inputs.documents), rows, load_recipe(inputs.recipe), directory)
    write_checksums(directory.parent)
