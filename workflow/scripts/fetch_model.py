"""Fetch the study's model and convert it. In: the config's section `model`. Out: a model directory."""

from pathlib import Path

from stage import stage

from polyhead.model.fetching import fetch_model


@stage
def main(output, source, opening):
    fetch_model(source, Path(output.config).parent, opening)
