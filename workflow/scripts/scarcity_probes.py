"""Put the probes into a table of the form of `scarcity.csv`. In: their profiles. Out: tables, a record."""

from pathlib import Path

from _script import logged

with logged(snakemake):
    from polyhead.files import sha256, write_csv, write_json
    from polyhead.training.scarcity import load_measures
    from polyhead.training.scarcity_table import heads_table, probes_record, read_variants, variants_table

    inputs, outputs, changes = snakemake.input, snakemake.output, snakemake.params.changes
    variants = read_variants(dict(zip(changes, (Path(path).parent for path in inputs.facts), strict=True)))
    write_csv(outputs.table, variants_table(variants))
    write_csv(outputs.heads, heads_table(variants))
    record = probes_record(variants, changes, load_measures(inputs.recipe))
    write_json(outputs.record, {**record, "prompts_sha256": sha256(inputs.prompts)})
