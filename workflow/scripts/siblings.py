"""Find heads that do the same on the same rows; ablate all of them. In: prompts, model. Out: two tables."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.ablation.edge_survey import open_with_text
    from polyhead.files import write_csv
    from polyhead.mechanism import siblings
    from polyhead.mechanism.kinds import EDGES, naming
    from polyhead.model.head import Head

    use_threads(snakemake.threads)
    params, out, directory = snakemake.params, snakemake.output, Path(snakemake.input.model[0]).parent
    model, text = open_with_text(
        directory, snakemake.input.prompts, params.prompts, params.window, params.device
    )
    namings = [naming(name, params.threshold) for name in (params.taxonomy, EDGES)]
    named = siblings.name_rows(
        model, text, namings, lambda done: print(f"named: {done} of {len(text.prompts)} prompts")
    )
    halves = siblings.Halves.drawn(text.clusters.documents, params.seed)
    drawn = {"n_resamples": params.n_resamples, "seed": params.seed}
    for place, head in enumerate(map(Head.parse, params.heads)):
        kinds, shared = siblings.shared_rows(named, head, halves, **drawn)
        together = siblings.costs_together(model, text, named, head, kinds, halves, **drawn)
        print(f"{head} is done")
        write_csv(out.shared[place], shared)
        write_csv(out.together[place], together)
