"""Export the model. In: recipe, weights, log, tokenizer. Out: resources/reference-model, checksums."""

import shutil
from pathlib import Path

from _script import logged

with logged(snakemake):
    from polyhead.training.export import export
    from polyhead.training.recipe import load_recipe
    from polyhead.training.ship import write_checksums

    inputs, directory = snakemake.input, Path(snakemake.params.directory)
    export(Path(inputs.weights), load_recipe(inputs.recipe).model, Path(inputs.tokenizer), directory)
    shutil.copyfile(inputs.log, directory / "training-log.csv")
    write_checksums(directory.parent)
