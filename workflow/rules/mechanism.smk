# In:  prompts.parquet, the model.
# Out: per head, over the first `mechanism.prompts` prompts and by edge class: mechanism/scores.csv, which pairs of
#      components its scores are sums of; needs.csv, how many rows stay when a component of its query or key is
#      replaced by its mean; two figures.
# Left out where `mechanism.prompts` is 0. The tables are empty where the scores cannot be taken apart exactly.


if STUDY.mechanism.prompts:

    rule mechanism:
        input:
            prompts=rules.sample.output.prompts,
            model=model_files(),
        output:
            scores=expand(f"{HEAD}/mechanism/scores.csv", head=HEADS),
            needs=expand(f"{HEAD}/mechanism/needs.csv", head=HEADS),
        resources:
            gpu=GPU,
        params:
            heads=HEADS,
            prompts=STUDY.mechanism.prompts,
            components=STUDY.mechanism.components,
            window=STUDY.previous_window,
            device=STUDY.device,
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            "How the heads do it, on {params.prompts} prompts"
        script:
            "../scripts/mechanism.py"

    rule mechanism_figures:
        input:
            scores=f"{HEAD}/mechanism/scores.csv",
            needs=f"{HEAD}/mechanism/needs.csv",
        output:
            needs=f"{HEAD}/figures/mechanism_needs.svg",
            scores=f"{HEAD}/figures/mechanism_scores.svg",
        message:
            "How head {wildcards.head} does it, drawn"
        script:
            "../scripts/mechanism_figures.py"
