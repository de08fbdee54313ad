"""Tabulate shares of behaviours. In: labels, tokenizer. Out: distribution.csv, shown.json."""

from _script import logged

with logged(snakemake):
    from polyhead.chunks import label_chunks
    from polyhead.distribution import distribution, shown_tokens
    from polyhead.files import write_csv, write_json
    from polyhead.tokens import open_vocabulary

    params = snakemake.params
    names = open_vocabulary(snakemake.input.tokenizer).labels
    labels = label_chunks(snakemake.input.labels)
    minimum = params.tokens.pop("minimum_rows")
    table = distribution(labels, names, params.taxonomies, minimum, params.draws, params.seed)
    shown = shown_tokens(table, taxonomy=params.taxonomies[0], **params.tokens)
    absent = [name for name in params.tokens["named"] if name not in shown]
    write_csv(snakemake.output.distribution, table)
    write_json(snakemake.output.shown, {"shown": shown, "absent": absent, "minimum_rows": minimum})
