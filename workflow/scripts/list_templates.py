"""Print the templates, filled and coloured, on the screen. In: templates, tokenizer."""

import sys

from _script import logged

screen = sys.stdout
with logged(snakemake):
    from rich.console import Console

    from polyhead.attention.behaviours import BEHAVIOURS
    from polyhead.files import read_json
    from polyhead.model.shape import shape_of
    from polyhead.model.vocabulary import open_vocabulary
    from polyhead.prompts.template_listing import listing
    from polyhead.prompts.templates import read_templates

    templates = read_templates(snakemake.input.templates, BEHAVIOURS)
    vocabulary = open_vocabulary(snakemake.input.tokenizer)
    n_context = shape_of(read_json(snakemake.input.config)).n_ctx
    for file in (sys.stdout, screen):
        console = Console(file=file, highlight=False, soft_wrap=True)
        listing(templates, vocabulary, n_context, snakemake.params.tasks, snakemake.params.seed, console)
