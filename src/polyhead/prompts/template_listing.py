"""Show templates on a terminal: filled, coloured by role, with all token boundaries."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from polyhead.errors import PolyheadError
from polyhead.files import read_json
from polyhead.model.shape import shape_of
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.templates import ROLE_NAMES, Task, fill, read_templates, role_of
from polyhead.style import ROLES

PROMPTS_SHOWN = 3


def listing(
    path: Path | str,
    model: Path | str,
    tasks: Sequence[str],
    seed: int,
    console: Console,
    behaviours: Collection[str] = (),
) -> None:
    """Print every template of a file with its first prompts, or what is wrong with it.

    Args:
        path: the templates.
        model: directory with `config.json` and `tokenizer.json`.
        tasks: templates that the study uses; these are marked.
        seed: of the words.
        console: what is printed on.
        behaviours: the names that a template's `behaviour` may have; empty: any.
    """
    legend = Text("  ").join(Text(f" {ROLE_NAMES[role]} ", style=_style(role)) for role in ROLES)
    console.print(legend, end="\n\n")
    file, vocabulary = read_templates(path, behaviours), open_vocabulary(Path(model) / "tokenizer.json")
    n_context = shape_of(read_json(Path(model) / "config.json")).n_ctx
    for name, template in file.templates.items():
        used = "a task of this study" if name in tasks else "not in ablation.tasks"
        console.print(Text(name, style="bold") + Text(f"  {template.title}; {used}", style="not bold"))
        try:
            task = fill(name, file, vocabulary, n_context, seed)
        except PolyheadError as error:
            console.print(Text(f"  {error}\n", style="red"))
            continue
        console.print(f"  {len(task.tokens)} prompts of {task.tokens.shape[1]} tokens", end="\n\n")
        for number in range(min(PROMPTS_SHOWN, len(task.tokens))):
            console.print(filled_text(task, number, vocabulary.labels), end="\n\n")


def filled_text(task: Task, number: int, labels: Sequence[str]) -> Text:
    """Return one prompt and its answer as text, `│` between tokens and a line break after each newline."""
    text = Text("  ")
    for position, token in enumerate([*task.tokens[number], task.answers[number]]):
        role = role_of(task, position)
        text.append(labels[token], style=_style(role) if role else "")
        text.append("\n  " if "⏎" in labels[token] else "│", style="dim")
    return text


def _style(role: str) -> str:
    return f"black on {ROLES[role]}"
