# In:  prompts.parquet, the model.
# Out: atlas.csv and its figure: what every head of the model does, over the first `atlas_prompts` prompts; one
#      pass, label counts only. precision.csv: rows whose label changes when the model runs in bfloat16.


if STUDY.atlas_prompts:

    rule atlas:
        input:
            prompts=rules.sample.output.prompts,
            model=model_files(),
        output:
            atlas=f"{OUT}/atlas.csv",
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes(60),
            gpu=GPU,
        params:
            prompts=STUDY.atlas_prompts,
            window=STUDY.previous_window,
            threshold=STUDY.threshold,
            taxonomies=STUDY.taxonomies,
            device=STUDY.device,
            dtype=STUDY.dtype,
        message:
            "Atlas: all heads over {params.prompts} prompts"
        script:
            "../scripts/atlas.py"

    rule atlas_figure:
        input:
            atlas=rules.atlas.output.atlas,
        output:
            figure=f"{OUT}/figures/atlas.svg",
        localrule: True
        threads: 1
        resources:
            mem_mb=memory(1000),
            runtime=minutes(10),
        params:
            heads=HEADS,
        message:
            "Figure: atlas of all heads"
        script:
            "../scripts/atlas_figure.py"
