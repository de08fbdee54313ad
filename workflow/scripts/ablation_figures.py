"""Draw tasks and their ablation. In: filled tasks, ablation_positions.csv, tokenizer. Out: an SVG a task."""

from stage import stage

from polyhead.ablation.figures import task_figure
from polyhead.files import read_csv
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.templates import read_task
from polyhead.style import save_svg, style


@stage
def main(input, output):
    positions, labels = read_csv(input.positions), open_vocabulary(input.tokenizer).labels
    for task, path in zip(map(read_task, input.tasks), output.figures, strict=True):
        with style():
            save_svg(task_figure(task, labels, positions), path)
