"""Cut the edges of every head. In: prompts, model. Out: edges.csv, verdicts.csv, mean outputs."""

from pathlib import Path

from stage import stage

from polyhead.ablation.patching import error_context
from polyhead.edges.survey import read_real_text
from polyhead.edges.tables import edge_tables
from polyhead.files import write_csv, write_json
from polyhead.model.head import all_heads
from polyhead.model.opening import open_model, to_device


@stage
def main(input, output, heads, prompts, rows, more_rows, window, device, n_resamples, seed):
    directory = Path(input.model[0]).parent
    model, vocabulary = open_model(directory)
    model = to_device(model, device, "float32")
    text = read_real_text(input.prompts, prompts, vocabulary, window)
    every = all_heads(model.n_layers, model.n_heads)
    sizes = {"rows": rows, "more_rows": more_rows, "n_resamples": n_resamples, "seed": seed}
    with error_context(f"model {directory}, edges on real text"):
        found = edge_tables(model, every, text, heads, report=print, **sizes)
    write_csv(output.edges, found.edges)
    write_csv(output.verdicts, found.verdicts)
    for head, path in zip(heads, output.means, strict=True):
        write_json(path, found.survey.mean_of(head).tolist())
