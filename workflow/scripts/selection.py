"""Rank the heads, choose tokens to show. In: other prompts, model. Out: edges, verdicts, selection.json."""

from pathlib import Path

from stage import stage

from polyhead.ablation.patching import error_context
from polyhead.edges import selection
from polyhead.edges.classes import CLASS_BEHAVIOURS
from polyhead.edges.survey import read_real_text
from polyhead.edges.tables import edge_tables
from polyhead.files import read_json, write_csv, write_json
from polyhead.model.head import Head, all_heads
from polyhead.model.opening import open_model, to_device


@stage
def main(input, output, given, prompts, rows, window, threshold, taxonomy, tokens, device, n_resamples, seed):
    directory = Path(input.model[0]).parent
    model, vocabulary = open_model(directory)
    model = to_device(model, device, "float32")
    text = read_real_text(input.prompts, prompts, vocabulary, window)
    with error_context(f"model {directory}, edges on text to choose on"):
        every = all_heads(model.n_layers, model.n_heads)
        options = {"cut": CLASS_BEHAVIOURS, "rows": rows, "n_resamples": n_resamples, "seed": seed}
        found = edge_tables(model, every, text, **options)
    write_csv(output.edges, found.edges)
    write_csv(output.verdicts, found.verdicts)
    ranked = selection.ranking(found.verdicts, selection.named_shares(model, text, threshold))
    heads = [Path(path).parent.name for path in output.tokens]  # none: the first of the ranking is studied
    record = selection.selection_record(ranked, heads, given, read_json(input.sampling))
    studied = [Head.parse(one["head"]) for one in record["studied"]]
    shown = selection.selected_tokens(model, text, studied, taxonomy, threshold, **tokens)
    for head, names in shown.items():
        write_json(Path(output.selection).parent / f"heads/{head}/selected_tokens.json", {"selected": names})
    write_json(output.selection, record)
