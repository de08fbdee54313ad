"""Export a run's model and measure it.

In: recipe, weights, tokenizer, held-out text. Out: a directory that a study opens.
"""

from pathlib import Path

from job import stage

from polyhead.files import write_json
from training.export import export
from training.measure import measures
from training.recipe import load_recipe


@stage
def main(input, output, run):
    recipe, folder = load_recipe(input.recipe, run), Path(output[0]).parent
    export(input.weights, recipe.model, input.tokenizer, folder)
    write_json(folder / "evaluation.json", measures(folder, input.sequences, recipe.evaluation))
