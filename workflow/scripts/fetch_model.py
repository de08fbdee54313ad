"""Download and convert the study's model. In: the config's section `model`. Out: a model directory."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.checkpoints import Source, fetch_model

    source = Source.from_config(snakemake.params.source)
    fetch_model(source, Path(snakemake.output.config).parent)
