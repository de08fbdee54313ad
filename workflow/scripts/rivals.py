"""Hold the verdict against what is simpler. In: prompts, model, verdicts. Out: rivals.csv, chance.csv."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    import pandas as pd

    from polyhead.ablation.edge_survey import open_with_text
    from polyhead.ablation.patching import error_context
    from polyhead.ablation.rivals import chance_table, line_start_table
    from polyhead.files import write_csv
    from polyhead.model.head import Head

    use_threads(snakemake.threads)
    params, directory = snakemake.params, Path(snakemake.input.model[0]).parent
    model, text = open_with_text(
        directory, snakemake.input.prompts, params.prompts, params.window, params.device
    )
    verdicts = pd.read_csv(snakemake.input.verdicts, dtype={"head": str}).set_index("head")["verdict"]
    several = verdicts.index[verdicts == "polysemantic"]
    heads = sorted({Head.parse(head) for head in [*params.heads, *several]})
    draws = {"n_resamples": params.n_resamples, "seed": params.seed}
    with error_context(f"model {directory}, rivals on real text"):
        judged = line_start_table(model, heads, text, **draws, most_rows=params.most_rows)
        chance = chance_table(model, heads, text, **draws)
    write_csv(snakemake.output.rivals, judged)
    write_csv(snakemake.output.chance, chance)
