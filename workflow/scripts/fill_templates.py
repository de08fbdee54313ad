"""Fill the study's templates. In: templates, tokenizer, the model's config. Out: one JSON file per task."""

from pathlib import Path

from stage import stage

from polyhead.attention.behaviours import BEHAVIOURS
from polyhead.files import write_json
from polyhead.prompts.templates import all_filled, fill_tasks, read_templates


@stage
def main(input, output, tasks, seed):
    file = read_templates(input.templates, BEHAVIOURS)
    filled = all_filled(fill_tasks(file, tasks, Path(input.tokenizer).parent, seed))
    for task, path in zip(filled, output.tasks, strict=True):
        write_json(path, task.as_json())
