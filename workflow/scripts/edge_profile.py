"""Cut the edges of every head. In: prompts, model. Out: edge_profile, edge_contexts, edge_explained.csv."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.ablation.edge_profile import profile_heads
    from polyhead.ablation.edge_survey import open_with_text
    from polyhead.ablation.patching import error_context
    from polyhead.files import write_csv
    from polyhead.model.head import all_heads

    use_threads(snakemake.threads)
    params, directory = snakemake.params, Path(snakemake.input.model[0]).parent
    model, text = open_with_text(
        directory, snakemake.input.prompts, params.prompts, params.window, params.device
    )
    with error_context(f"model {directory}, edges on real text"):
        profile = profile_heads(
            model,
            all_heads(model.n_layers, model.n_heads),
            text,
            n_resamples=params.n_resamples,
            seed=params.seed,
            report=lambda done: print(f"{done} of {len(text.prompts)} prompts"),
            most_rows=params.most_rows,
        )
    write_csv(snakemake.output.profile, profile.costs)
    write_csv(snakemake.output.contexts, profile.contexts)
    write_csv(snakemake.output.explained, profile.explained)
