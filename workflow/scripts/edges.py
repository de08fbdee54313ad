"""Cut the edges of every head. In: prompts, model. Out: edges.csv, verdicts.csv, mean outputs."""

from pathlib import Path

from stage import stage

from polyhead.ablation.patching import error_context
from polyhead.edges.survey import open_with_text
from polyhead.edges.tables import edge_tables
from polyhead.files import write_csv, write_json
from polyhead.model.head import all_heads


@stage
def main(input, output, heads, prompts, rows, window, device, n_resamples, seed):
    directory = Path(input.model[0]).parent
    model, text = open_with_text(directory, input.prompts, prompts, window, device)
    every, options = all_heads(model.n_layers, model.n_heads), {"n_resamples": n_resamples, "seed": seed}
    with error_context(f"model {directory}, edges on real text"):
        found = edge_tables(model, every, text, heads, most_rows=rows, report=print, **options)
    write_csv(output.edges, found.edges)
    write_csv(output.verdicts, found.verdicts)
    for head, path in zip(heads, output.means, strict=True):
        write_json(path, found.survey.mean_of(head).tolist())
