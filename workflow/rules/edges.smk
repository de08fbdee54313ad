# In:  prompts.parquet, the stored rows of the study's heads, the model.
# Out: edges.csv (every head's classes of edges: the rows that each dominates, what cutting it costs) and
#      verdicts.csv over the first `edges.prompts` prompts; per head of the study mean_output.json and figures/edges.svg;
#      moments.csv, where on the first `real_text_prompts` prompts it matters most; figures/heads.svg of all heads.
# Each is left out where its number of prompts is 0.


if STUDY.edges.prompts:

    rule edges:
        input:
            prompts=rules.sample.output.prompts,
            model=model_files(),
        output:
            edges=f"{OUT}/edges.csv",
            verdicts=f"{OUT}/verdicts.csv",
            means=expand(f"{HEAD}/mean_output.json", head=HEADS),
        threads: 2
        resources:
            gpu=GPU,
        params:
            heads=HEADS,
            prompts=STUDY.edges.prompts,
            rows=STUDY.edges.rows,
            more_rows=STUDY.edges.more_rows,
            window=STUDY.previous_window,
            device=STUDY.device,
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            "Cutting the edges of every head, class by class, on {params.prompts} prompts"
        script:
            "../scripts/edges.py"

    rule edge_figures:
        input:
            edges=rules.edges.output.edges,
            verdicts=rules.edges.output.verdicts,
        output:
            heads=f"{OUT}/figures/heads.svg",
            figures=expand(f"{HEAD}/figures/edges.svg", head=HEADS),
        localrule: True
        params:
            heads=HEADS,
        message:
            "Figures: edges of all heads"
        script:
            "../scripts/edge_figures.py"


if STUDY.ablation.real_text_prompts:

    rule moments:
        input:
            prompts=rules.sample.output.prompts,
            rows=expand(
                f"{HEAD}/rows/{{shard}}.parquet",
                head=HEADS,
                shard=[shard for shard in SHARDS if int(shard) < STUDY.ablation.real_text_prompts],
            ),
            model=model_files(),
        output:
            expand(f"{HEAD}/moments.csv", head=HEADS),
        resources:
            gpu=GPU,
        params:
            heads=HEADS,
            prompts=min(STUDY.prompts, STUDY.ablation.real_text_prompts),
            device=STUDY.device,
        message:
            "Ablating {params.heads} at every position of {params.prompts} prompts"
        script:
            "../scripts/moments.py"
