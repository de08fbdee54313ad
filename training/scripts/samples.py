"""Sample the corpus. In: recipe, documents, packed sequences. Out: what resources/corpus has."""

from pathlib import Path

from job import stage

from training.recipe import load_recipe
from training.samples import write_samples


@stage
def main(input, output):
    packed = {"train": Path(input.train), "held_out": Path(input.held_out)}
    write_samples(input.documents, packed, load_recipe(input.recipe), Path(output[0]).parent)
