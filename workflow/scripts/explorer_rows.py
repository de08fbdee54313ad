"""Choose prompts for the explorer, measure their rows. In: model, prompts, rows, tasks. Out: JSON."""

from itertools import chain
from pathlib import Path

import numpy as np
from stage import stage

from polyhead.attention.labels import Definitions
from polyhead.files import read_json, read_parquet, write_json
from polyhead.model.opening import open_model
from polyhead.prompts.sampling import read_prompts
from polyhead.prompts.templates import read_task
from polyhead.report import explorer_rows as rows


@stage
def main(input, output, head, window, threshold, taxonomies, megabytes, seed):
    model, vocabulary = open_model(Path(input.model[0]).parent)
    mean = np.array(read_json(input.mean), np.float32) if input.mean else None
    asked = rows.Asked(model, vocabulary, head, Definitions(window, threshold, taxonomies), mean)
    sources = read_parquet(input.prompts, ["source", "source_type"]).to_pandas()
    wanted = rows.linked_rows(input.examples, input.moments) + rows.rows_of_classes(read_parquet(input.rows))
    of_tasks = rows.template_prompts([read_task(path) for path in input.tasks])
    prompts = chain(of_tasks, rows.sampled_prompts(read_prompts(input.prompts), sources, wanted, seed))
    write_json(output.rows, rows.explorer_rows(asked, prompts, 1e6 * megabytes))
