"""Measure what the heads of one variant do. In: model, prompts. Out: its tables, and facts.json."""

from pathlib import Path

from _script import logged, use_threads

with logged(snakemake):
    from polyhead.ablation.patching import error_context
    from polyhead.files import write_csv, write_json
    from polyhead.training.scarcity import load_measures
    from polyhead.training.scarcity_profile import profile_variant

    use_threads(snakemake.threads)
    inputs, outputs = snakemake.input, snakemake.output
    with error_context(f"variant {snakemake.wildcards.variant}, edges on real text"):
        found = profile_variant(
            Path(inputs.weights).parent,
            Path(inputs.prompts),
            load_measures(inputs.recipe),
            lambda done: print(f"{done} prompts"),
        )
    write_csv(outputs.profile, found.profile.costs)
    write_csv(outputs.explained, found.profile.explained)
    write_csv(outputs.heads, found.heads)
    write_csv(outputs.observed, found.observed)
    write_json(outputs.facts, found.facts)
