"""Ablate a head at every position of real text. In: prompts, model. Out: real_text.parquet."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    import pyarrow as pa

    from polyhead.ablation.patching import error_context
    from polyhead.ablation.real_text import effect_rows
    from polyhead.files import write_parquet
    from polyhead.model.head import Head
    from polyhead.model.opening import open_for_ablation, to_device
    from polyhead.prompts.sampling import read_prompts

    use_threads(snakemake.threads)
    directory = Path(snakemake.input.model[0]).parent
    model = to_device(open_for_ablation(directory), snakemake.params.device, "float32")
    prompts = read_prompts(snakemake.input.prompts, count=snakemake.params.prompts)
    head = Head.parse(snakemake.wildcards.head)
    with error_context(f"model {directory}, real text"):
        table = effect_rows(model, prompts, *head, lambda done: print(f"{done} of {len(prompts)} prompts"))
    write_parquet(snakemake.output.effects, pa.Table.from_pandas(table, preserve_index=False))
