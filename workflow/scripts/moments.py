"""Find where heads matter most on real text. In: prompts, rows, model. Out: moments.csv of each head."""

from pathlib import Path

from stage import stage

from polyhead.ablation.patching import error_context
from polyhead.ablation.real_text import effect_rows
from polyhead.edges.moments import dominated_rows, moments
from polyhead.files import write_csv
from polyhead.model.opening import open_model, to_device
from polyhead.prompts.sampling import read_prompts


@stage
def main(input, output, heads, prompts, device):
    directory = Path(input.model[0]).parent
    model, vocabulary = open_model(directory)
    model, tokens = to_device(model, device, "float32"), read_prompts(input.prompts, count=prompts)
    for head, path in zip(heads, output, strict=True):
        rows = dominated_rows([shard for shard in input.rows if f"/heads/{head}/" in shard], prompts)
        with error_context(f"model {directory}, head {head} on real text"):
            effects = effect_rows(model, tokens, *head, report=print)
        write_csv(path, moments(effects, rows, tokens, vocabulary.labels))
