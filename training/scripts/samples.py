"""Export samples of the corpus. In: recipe, documents, packed sequences. Out: resources/corpus, checksums."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.training.recipe import load_recipe
    from polyhead.training.ship import ship_corpus, write_checksums

    inputs, directory = snakemake.input, Path(snakemake.params.directory)
    packed = {"train": Path(inputs.train), "held_out": Path(inputs.held_out)}
    ship_corpus(Path(inputs.documents), packed, load_recipe(inputs.recipe), directory)
    write_checksums(directory.parent)
