"""How far a training is: a live bar on a terminal, a line now and then elsewhere."""

import sys
import time
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

LINE_SECONDS = 60


class Run(Protocol):
    """What is watched: tokens done so far, and the recipe with the budget."""

    recipe: Any

    @property
    def tokens(self) -> int:
        """Tokens done."""


class Progress:
    """Reports tokens done, tokens per second since it was opened, loss and time left, on standard error."""

    def __init__(self, run: Run) -> None:
        self.run, self.budget = run, run.recipe.training.tokens
        self.first, self.since, self.spoken = run.tokens, time.monotonic(), 0.0
        self.console = Console(file=sys.__stderr__)
        self.bar = Bar(BarColumn(), TextColumn("{task.description}"), console=self.console)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.task = self.bar.add_task("", total=self.budget)
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def report(self, loss: float) -> None:
        """Show the state after a step; `loss` in nats per token."""
        if self.console.is_terminal:
            self.bar.update(self.task, completed=self.run.tokens, description=self.line(loss))
        elif time.monotonic() - self.spoken > LINE_SECONDS:
            self.spoken = time.monotonic()
            self.console.print(self.line(loss), highlight=False, soft_wrap=True)

    def line(self, loss: float) -> str:
        """Return the state in words."""
        rate = (self.run.tokens - self.first) / (time.monotonic() - self.since)
        minutes = (self.budget - self.run.tokens) / max(rate, 1e-9) / 60
        done = f"{self.run.tokens / 1e6:.2f} of {self.budget / 1e6:.0f}M tokens"
        return f"{done}  {rate:,.0f} tokens/s  loss {loss:.3f}  {minutes:.0f} min left"
