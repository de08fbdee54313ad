"""Print the templates, filled and coloured, on the screen. In: templates, tokenizer, the model's config."""

from pathlib import Path

from rich.console import Console
from stage import stage

from polyhead.attention.behaviours import BEHAVIOURS
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.template_listing import listing
from polyhead.prompts.templates import fill_tasks, read_templates


@stage
def main(input, screen, tasks, seed):
    console = Console(file=screen, highlight=False, soft_wrap=True)
    file = read_templates(input.templates, BEHAVIOURS)
    found = fill_tasks(file, file.templates, Path(input.tokenizer).parent, seed)
    for text in listing(found, tasks, open_vocabulary(input.tokenizer).labels):
        console.print(text, end="\n\n")
