"""Train the reference model, going on from the checkpoint folder if it holds one.

In: recipe, tokenizer, packed sequences of both splits. Out: the last checkpoint, and the log.
Progress goes to the screen, not to the rule's log: this takes an hour or more.
"""

import shutil
from pathlib import Path

from _script import logged, use_threads

with logged(snakemake):
    from polyhead.model.vocabulary import open_vocabulary
    from polyhead.training.packing import read_tokens
    from polyhead.training.recipe import load_recipe
    from polyhead.training.train import start, train

    use_threads(snakemake.threads)
    inputs, folder = snakemake.input, Path(snakemake.params.folder)
    sequences, held_out = (read_tokens(path) for path in (inputs.train, inputs.held_out))
    training = start(
        load_recipe(inputs.recipe, snakemake.wildcards.run), Path(inputs.tokenizer), sequences, folder
    )
    train(training, sequences, held_out, open_vocabulary(inputs.tokenizer), folder)
    shutil.copyfile(folder / "last.pt", snakemake.output.weights)
    shutil.copyfile(folder / "log.csv", snakemake.output.log)
