"""Ablate a head at every position of real text. In: prompts, model. Out: real_text.parquet."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    import pyarrow as pa

    from polyhead.ablation import about
    from polyhead.effects import effect_rows
    from polyhead.files import write_parquet
    from polyhead.models import open_plain
    from polyhead.precision import place
    from polyhead.prompts import read_prompts

    use_threads(snakemake.threads)
    directory = Path(snakemake.input.model[0]).parent
    model = place(open_plain(directory), snakemake.params.device, "float32")
    prompts = read_prompts(snakemake.input.prompts, count=snakemake.params.prompts)
    head = map(int, snakemake.wildcards.head.split("."))
    with about(f"model {directory}, real text"):
        table = effect_rows(model, prompts, *head, lambda done: print(f"{done} of {len(prompts)} prompts"))
    write_parquet(snakemake.output.effects, pa.Table.from_pandas(table, preserve_index=False))
