"""Tabulate shares of labels. In: labels, tokenizer, prompts. Out: distribution.csv, figure_tokens.json."""

from _script import logged

with logged(snakemake):
    from polyhead.attention.distribution import distribution, shown_tokens
    from polyhead.attention.labelled_rows import label_chunks
    from polyhead.files import read_json, write_csv, write_json
    from polyhead.model.vocabulary import open_vocabulary
    from polyhead.prompts.clusters import read_clusterings

    params = snakemake.params
    names = open_vocabulary(snakemake.input.tokenizer).labels
    labels = label_chunks(snakemake.input.labels)
    minimum = params.tokens.pop("minimum_rows")
    clusters = read_clusterings(snakemake.input.prompts)
    table = distribution(
        labels, names, params.taxonomies, minimum, clusters, n_resamples=params.n_resamples, seed=params.seed
    )
    if snakemake.input.selected:
        frequent = set(table["token_label"])
        shown = [name for name in read_json(snakemake.input.selected)["selected"] if name in frequent]
    else:
        shown = shown_tokens(table, taxonomy=params.taxonomies[0], **params.tokens)
    absent = [name for name in params.tokens["named"] if name not in shown]
    write_csv(snakemake.output.distribution, table)
    write_json(snakemake.output.figure_tokens, {"shown": shown, "absent": absent, "minimum_rows": minimum})
