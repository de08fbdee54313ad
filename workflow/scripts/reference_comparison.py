"""Compare training recipes. In: recipe, tokenizer, packed sequences. Out: comparison.csv beside the model."""

from pathlib import Path

from _script import logged, use_threads

with logged(snakemake):
    from polyhead.files import write_csv
    from polyhead.training.compare import compare
    from polyhead.training.packing import read_tokens
    from polyhead.training.recipe import load_recipe
    from polyhead.training.ship import write_checksums

    use_threads(snakemake.threads)
    inputs, directory = snakemake.input, Path(snakemake.params.directory)
    sequences, held_out = (read_tokens(path) for path in (inputs.train, inputs.held_out))
    table = compare(load_recipe(inputs.recipe), Path(inputs.tokenizer), sequences, held_out)
    write_csv(directory / "comparison.csv", table)
    write_checksums(directory.parent)
