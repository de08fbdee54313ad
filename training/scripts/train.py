"""Train, going on from the checkpoint folder if it holds one; progress goes to the screen.

In: recipe, tokenizer, packed sequences of both splits. Out: the last checkpoint, and the log.
"""

from pathlib import Path

from job import stage

from polyhead.model.vocabulary import open_vocabulary
from training.export import copy
from training.recipe import load_recipe
from training.sequences import read_tokens
from training.train import CHECKPOINT, LOG, start, train


@stage
def main(input, output, run, folder):
    tokenizer, *packed = input[:3]
    sequences, held_out = map(read_tokens, packed)
    training = start(load_recipe(input.recipe, run), Path(tokenizer), sequences, Path(folder))
    train(training, sequences, held_out, open_vocabulary(tokenizer), Path(folder))
    copy(Path(folder, CHECKPOINT), output.weights)
    copy(Path(folder, LOG), output.log)
