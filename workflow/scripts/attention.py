"""What a head attends to. In: labels, rows, prompts, model. Out: tables, the tokens to show, examples."""

from pathlib import Path

from stage import stage

from polyhead.attention.contrasts import contrasts
from polyhead.attention.distribution import distribution, draw_documents, figure_tokens
from polyhead.attention.examples import draw_rows, examples, write_examples
from polyhead.attention.sensitivity import sensitivity
from polyhead.files import read_json, read_parquet, write_csv, write_json
from polyhead.model.opening import open_model
from polyhead.prompts.clusters import read_clustering
from polyhead.prompts.sampling import read_prompts


@stage
def main(input, output, head, taxonomies, window, tokens, per_token, before, n_resamples, seed):
    model, vocabulary = open_model(Path(input.model[0]).parent)
    labels, prompts = read_parquet(input.labels).to_pandas(), read_prompts(input.prompts)
    names, draws = vocabulary.labels, draw_documents(read_clustering(input.prompts), n_resamples, seed)
    table = distribution(labels, names, taxonomies, tokens["minimum_rows"], draws)
    selected = read_json(input.selected)["selected"] if input.selected else None
    found = figure_tokens(table, selected, taxonomies[0], **tokens)
    shown = found["shown"][1:]
    compared = contrasts(table, shown, labels, input.shards, prompts, vocabulary, draws)
    write_csv(output.distribution, table)
    write_json(output.figure_tokens, found)
    write_csv(output.contrasts, compared)
    write_csv(output.sensitivity, sensitivity(input.shards, window, taxonomies))
    rows = draw_rows(labels, [names.index(name) for name in shown], per_token, seed)
    pictures = examples(model, vocabulary, head, prompts, rows, before, taxonomies)
    write_examples(output.examples, output.pictures, pictures)
