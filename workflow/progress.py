"""What a run shows on the screen: a line a job, how much is left, and last where the report lies."""

import logging
import time
from collections.abc import Callable

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake.logging import DefaultFormatter, logger
from snakemake.workflow import Workflow

NOT_SHOWN = ("Assuming unrestricted", "Using shell", "Provided cores", "Rules claiming", "Conda environments")
NOT_SHOWN += ("Select jobs to execute", "Execute ")


class Progress(DefaultFormatter):
    """Snakemake's messages in fewer lines; its log file has all of them."""

    def __init__(self, shown: DefaultFormatter, workflow: Workflow, last_line: Callable[[], str]) -> None:
        super().__init__(shown.quiet, shown.show_failed_logs)
        self.workflow, self.last_line = workflow, last_line
        self.started, self.failed = time.monotonic(), False

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record) or ""
        if not self.failed and (text == NOTHING_TO_BE_DONE_MSG or text.startswith("Elapsed time")):
            return f"{text}\n{self.last_line()}"
        return "" if text.startswith(NOT_SHOWN) else text

    def format_workflow_started(self, msg: dict) -> str:
        return ""

    def format_job_info(self, msg: dict) -> str:
        line = f"{time.strftime('%H:%M:%S')} {msg['rule_msg'] or msg['rule_name']}"
        return f"{line}\n{' ' * 9}{str(msg['reason'])[:100]}" if self.workflow.dryrun else line

    def format_job_finished(self, msg: dict) -> str:
        return ""

    def format_job_error(self, msg: dict) -> str:
        self.failed = True
        lines = super().format_job_error(msg).splitlines()
        return "\n".join(line for line in lines if not line.startswith(("    input:", "    output:")))

    def format_progress(self, msg: dict) -> str:
        done, total = msg["done"], msg["total"]
        minutes = (time.monotonic() - self.started) / done * (total - done) / 60
        left = "" if done == total else f", about {max(1, round(minutes))} min left"
        return f"{' ' * 9}{done} of {total} done{left}"


def show(workflow: Workflow, last_line: Callable[[], str]) -> None:
    """Let the screen show a run in these words; `last_line` says what comes after everything else."""
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.setFormatter(Progress(handler.formatter, workflow, last_line))
