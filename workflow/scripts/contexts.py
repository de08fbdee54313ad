"""Ablate heads in contexts found by rule. In: prompts, model. Out: contexts, context_positions.csv."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.ablation.contexts import find_contexts, head_contexts
    from polyhead.ablation.edge_survey import open_with_text
    from polyhead.ablation.patching import error_context
    from polyhead.files import write_csv
    from polyhead.model.head import Head

    use_threads(snakemake.threads)
    params, out, directory = snakemake.params, snakemake.output, Path(snakemake.input.model[0]).parent
    model, text = open_with_text(
        directory, snakemake.input.prompts, params.prompts, params.window, params.device
    )
    with error_context(f"model {directory}, contexts in real text"):
        found = find_contexts(
            model, text, [Head.parse(head) for head in params.heads], params.most, params.seed
        )
        for place, name in enumerate(params.heads):
            tables = head_contexts(model, found[Head.parse(name)], text, params.n_resamples, params.seed)
            write_csv(out.contexts[place], tables[0])
            write_csv(out.positions[place], tables[1])
