"""Compare the variants with merged heads. In: their profiles. Out: tables, the answer, a figure."""

from pathlib import Path

from _script import logged

with logged(snakemake):
    from polyhead.files import sha256, write_csv, write_json
    from polyhead.style import save_svg, style
    from polyhead.training.scarcity import load_measures
    from polyhead.training.scarcity_figure import scarcity_figure
    from polyhead.training.scarcity_table import compare, heads_table, read_variants

    inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
    folders = dict(zip(params.variants, (Path(path).parent for path in inputs.facts), strict=True))
    variants = read_variants(folders)
    found = compare(variants, load_measures(inputs.recipe))
    write_csv(outputs.table, found.table)
    write_csv(outputs.heads, heads_table(variants))
    write_csv(outputs.merged, found.merged)
    write_json(outputs.answer, {**found.record, "prompts_sha256": sha256(inputs.prompts)})
    with style():
        save_svg(scarcity_figure(found.table, found.merged, found.record["answer"]), outputs.figure)
