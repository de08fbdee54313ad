"""Download and convert the study's model. In: the config's section `model`. Out: a model directory."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.model.fetching import Source, fetch_model
    from polyhead.model.gguf import fetch_gguf

    section, opening = snakemake.params.source, snakemake.params.opening
    directory = Path(snakemake.output.config).parent
    if "file" in section:
        fetch_gguf(section, opening, directory)
    else:
        fetch_model(Source.from_config(section), directory, opening=opening)
