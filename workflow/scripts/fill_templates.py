"""Fill the study's templates. In: templates, tokenizer, the model's config. Out: one JSON file per task."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.attention.behaviours import BEHAVIOURS
    from polyhead.files import read_json, write_json
    from polyhead.model.shape import shape_of
    from polyhead.model.vocabulary import open_vocabulary
    from polyhead.prompts.templates import check_tasks, fill, read_templates

    inputs, tasks, seed = snakemake.input, snakemake.params.tasks, snakemake.params.seed
    model = Path(inputs.tokenizer).parent
    check_tasks(inputs.templates, tasks, model, seed, BEHAVIOURS)  # says all that is wrong at once
    templates = read_templates(inputs.templates, BEHAVIOURS)
    vocabulary = open_vocabulary(inputs.tokenizer)
    n_context = shape_of(read_json(inputs.config)).n_ctx
    for name, path in zip(tasks, snakemake.output.tasks, strict=True):
        write_json(path, fill(name, templates, vocabulary, n_context, seed).as_json())
