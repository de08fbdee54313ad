"""Show templates on a terminal: filled, coloured by role, with all token boundaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from polyhead.errors import PolyheadError
from polyhead.prompts.templates import ROLE_NAMES, Task, role_of
from polyhead.style import ROLES

PROMPTS_SHOWN = 3


def listing(
    templates: Mapping[str, Task | PolyheadError], used: Sequence[str], labels: Sequence[str]
) -> Iterator[Text]:
    """Yield what is printed of templates: the first prompts of each, or what is wrong with it.

    Args:
        templates: as `fill_tasks` returns them.
        used: the templates that the study uses; these are marked.
        labels: the vocabulary's token labels.
    """
    yield Text("  ").join(Text(f" {ROLE_NAMES[role]} ", style=_style(role)) for role in ROLES)
    for name, task in templates.items():
        yield Text(name, "bold") + Text("" if name in used else "  not in ablation.tasks", "not bold")
        if isinstance(task, PolyheadError):
            yield Text(f"  {task}", "red")
        else:
            yield Text(f"  {task.title}: {len(task.tokens)} prompts of {task.tokens.shape[1]} tokens")
            yield from (filled_text(task, number, labels) for number in range(PROMPTS_SHOWN))


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
