"""Train the reference model, going on from the checkpoint folder if it holds one.

In: recipe, tokenizer, packed rows of both splits. Out: the last checkpoint, and the log.
Progress goes to the screen, not to the rule's log: this takes an hour or more.
"""

import shutil
from pathlib import Path

from _script import logged, use_threads

with logged(snakemake):
    from polyhead.reference.build import read_rows
    from polyhead.reference.recipe import load_recipe
    from polyhead.reference.train import start, train
    from polyhead.tokens import open_vocabulary

    use_threads(snakemake.threads)
    inputs, folder = snakemake.input, Path(snakemake.params.folder)
    rows, held_out = (read_rows(path).tokens for path in (inputs.train, inputs.held_out))
    training = start(load_recipe(inputs.recipe), Path(inputs.tokenizer), folder)
    train(training, rows, held_out, open_vocabulary(inputs.tokenizer), folder)
    shutil.copyfile(folder / "last.pt", snakemake.output.weights)
    shutil.copyfile(folder / "log.csv", snakemake.output.log)
