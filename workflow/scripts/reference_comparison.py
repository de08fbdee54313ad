"""Compare training recipes. In: recipe, tokenizer, packed rows. Out: comparison.csv beside the model."""

from pathlib import Path

from _script import logged, use_threads

with logged(snakemake):
    from polyhead.files import write_csv
    from polyhead.reference.build import read_rows
    from polyhead.reference.compare import compare
    from polyhead.reference.recipe import load_recipe
    from polyhead.reference.ship import write_checksums

    use_threads(snakemake.threads)
    inputs, directory = snakemake.input, Path(snakemake.params.directory)
    rows, held_out = (read_rows(path).tokens for path in (inputs.train, inputs.held_out))
    table = compare(load_recipe(inputs.recipe), Path(inputs.tokenizer), rows, held_out)
    write_csv(directory / "comparison.csv", table)
    write_checksums(directory.parent)
