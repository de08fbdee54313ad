"""How far a training is: a live bar on a terminal, a line now and then elsewhere."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

LINE_SECONDS = 60


class Progress:
    """Tells tokens done, tokens per second since it was opened, loss and time left, on standard error."""

    def __init__(self, done: int, budget: int) -> None:
        self.first, self.budget = done, budget
        self.since, self.spoken = time.monotonic(), 0.0
        self.console = Console(file=sys.__stderr__)
        self.bar = Bar(BarColumn(), TextColumn("{task.description}"), console=self.console)
        self.task = self.bar.add_task("", total=budget)

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def report(self, done: int, loss: float) -> None:
        """Show the state after a step; `done` in tokens, `loss` in nats per token."""
        if self.console.is_terminal:
            self.bar.update(self.task, completed=done, description=self.line(done, loss))
        elif time.monotonic() - self.spoken > LINE_SECONDS:
            self.spoken = time.monotonic()
            self.console.print(self.line(done, loss), highlight=False, soft_wrap=True)

    def line(self, done: int, loss: float) -> str:
        """Return the state in words."""
        rate = (done - self.first) / (time.monotonic() - self.since)
        minutes = (self.budget - done) / max(rate, 1e-9) / 60
        share = f"{done / 1e6:.2f} of {self.budget / 1e6:.0f}M tokens"
        return f"{share}  {rate:,.0f} tokens/s  loss {loss:.3f}  {minutes:.0f} min left"
