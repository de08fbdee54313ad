# In:  prompts.parquet, the model.
# Out: atlas.csv and its figure: what every head of the model does, over the first `atlas_prompts` prompts; one
#      pass, label counts only. precision.csv: rows whose label changes when the model runs in bfloat16.

if STUDY.atlas_prompts:
    STUDY_OUTPUTS += [f"{OUT}/atlas.csv", f"{OUT}/figures/atlas.svg"]
STUDY_OUTPUTS.append(f"{OUT}/precision.csv")


rule atlas:
    input:
        prompts=rules.sample.output.prompts,
        model=model_files(),
        library=library("atlas", "rows", "behaviours", "labels", "transformer", "models", "precision"),
    output:
        atlas=f"{OUT}/atlas.csv",
    log:
        f"{OUT}/logs/atlas.log",
    benchmark:
        f"{OUT}/benchmarks/atlas.tsv"
    conda:
        "../../envs/polyhead.yaml"
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
        library=library("atlas_figure", "style", "files"),
    output:
        figure=f"{OUT}/figures/atlas.svg",
    log:
        f"{OUT}/logs/atlas_figure.log",
    benchmark:
        f"{OUT}/benchmarks/atlas_figure.tsv"
    conda:
        "../../envs/polyhead.yaml"
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


rule precision:
    input:
        prompts=rules.sample.output.prompts,
        model=model_files(),
        library=library("precision", "rows", "behaviours", "labels", "transformer", "models"),
    output:
        precision=f"{OUT}/precision.csv",
    log:
        f"{OUT}/logs/precision.log",
    benchmark:
        f"{OUT}/benchmarks/precision.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
        gpu=GPU,
    params:
        prompts=100,
        heads=HEADS,
        window=STUDY.previous_window,
        threshold=STUDY.threshold,
        taxonomies=STUDY.taxonomies,
        device=STUDY.device,
    message:
        "Labels in bfloat16 against float32, {params.prompts} prompts"
    script:
        "../scripts/precision.py"
