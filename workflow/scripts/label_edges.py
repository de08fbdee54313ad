"""Take labels apart by edge class. In: the head's shards of rows. Out: two tables."""

from _script import logged

with logged(snakemake):
    from itertools import chain

    from polyhead.attention.label_edges import label_edges
    from polyhead.attention.labels import Definitions
    from polyhead.files import read_chunks, write_csv

    params, out = snakemake.params, snakemake.output
    definitions = Definitions(params.window, params.threshold, params.taxonomies)
    rows = chain.from_iterable(read_chunks(path) for path in snakemake.input.shards)
    edges, renamed = label_edges(rows, definitions)
    write_csv(out.edges, edges)
    write_csv(out.without_rest, renamed)
