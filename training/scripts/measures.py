"""Measure a run's model. In: recipe, model, held-out sequences. Out: measures.json."""

from pathlib import Path

from job import stage

from polyhead.files import write_json
from training.measure import measures
from training.recipe import load_recipe


@stage
def main(input, output):
    recipe = load_recipe(input.recipe).evaluation
    write_json(output.measures, measures(Path(input.model[0]).parent, input.sequences, recipe))
