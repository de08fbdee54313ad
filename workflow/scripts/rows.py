"""Run the model over one shard of prompts. In: prompts, model. Out: one parquet of rows per head."""

from pathlib import Path

import numpy as np
from stage import stage

from polyhead.attention.rows import tables_of_heads, write_tables
from polyhead.model.opening import open_model, to_device
from polyhead.prompts.sampling import read_prompts


@stage
def main(input, output, heads, shard, size, window, device, dtype):
    model, vocabulary = open_model(Path(input.model[0]).parent)
    prompts = read_prompts(input.prompts, int(shard), size)
    prompt_ids = np.arange(int(shard), int(shard) + len(prompts))
    model = to_device(model, device, dtype)
    write_tables(list(output.rows), tables_of_heads(model, vocabulary, heads, prompt_ids, prompts, window))
