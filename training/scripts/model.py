"""Export a run's model. In: recipe, weights, tokenizer. Out: a directory that a study opens."""

from pathlib import Path

from job import stage

from training.export import export
from training.recipe import load_recipe


@stage
def main(input, output, run):
    export(input.weights, load_recipe(input.recipe, run).model, input.tokenizer, Path(output[0]).parent)
