"""Take the scores of heads apart. In: prompts, model. Out: per head scores.csv, needs.csv."""

from pathlib import Path

from stage import stage

from polyhead.edges.survey import read_real_text
from polyhead.files import write_csv
from polyhead.mechanism.measure import mechanism
from polyhead.model.opening import open_model, to_device


@stage
def main(input, output, heads, prompts, components, window, device, n_resamples, seed):
    model, vocabulary = open_model(Path(input.model[0]).parent)
    model = to_device(model, device, "float32")
    text = read_real_text(input.prompts, prompts, vocabulary, window)
    for head, scores, needs in zip(heads, output.scores, output.needs, strict=True):
        found = mechanism(model, head, text, components, n_resamples=n_resamples, seed=seed)
        write_csv(scores, found.scores)
        write_csv(needs, found.needs)
        print(f"head {head}: {found.reason or 'done'}", flush=True)
