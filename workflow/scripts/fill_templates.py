"""Fill the study's templates. In: templates, tokenizer, the model's config. Out: one JSON file per task."""

from _script import logged

with logged(snakemake):
    from polyhead.files import read_json, write_json
    from polyhead.templates import fill, read_templates
    from polyhead.tokens import open_vocabulary

    templates = read_templates(snakemake.input.templates)
    vocabulary = open_vocabulary(snakemake.input.tokenizer)
    n_context = read_json(snakemake.input.config)["n_ctx"]
    for name, path in zip(snakemake.params.tasks, snakemake.output.tasks, strict=True):
        write_json(path, fill(name, templates, vocabulary, n_context, snakemake.params.seed).as_json())
