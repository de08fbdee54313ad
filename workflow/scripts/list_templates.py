"""Print the templates, filled and coloured, on the screen. In: templates, tokenizer."""

import sys

from _script import logged

screen = sys.stdout
with logged(snakemake):
    from rich.console import Console

    from polyhead.files import read_json
    from polyhead.template_listing import listing
    from polyhead.templates import read_templates
    from polyhead.tokens import open_vocabulary

    templates = read_templates(snakemake.input.templates)
    vocabulary = open_vocabulary(snakemake.input.tokenizer)
    n_context = read_json(snakemake.input.config)["n_ctx"]
    for file in (sys.stdout, screen):
        console = Console(file=file, highlight=False, soft_wrap=True)
        listing(templates, vocabulary, n_context, snakemake.params.tasks, snakemake.params.seed, console)
