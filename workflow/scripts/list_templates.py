"""Print the templates, filled and coloured, on the screen. In: templates, tokenizer, the model's config."""

from pathlib import Path

from rich.console import Console
from stage import stage

from polyhead.attention.behaviours import BEHAVIOURS
from polyhead.prompts.template_listing import listing


@stage
def main(input, screen, tasks, seed):
    console = Console(file=screen, highlight=False, soft_wrap=True)
    listing(input.templates, Path(input.tokenizer).parent, tasks, seed, console, BEHAVIOURS)
