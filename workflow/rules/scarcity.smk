# In:  config/scarcity.yaml, and the tokenizer and the documents of the reference corpus, packed at its context.
# Out: results/reference-model/scarcity/<variant>/: one small model per number of heads and seed, and probes, each
#      with a profile of its heads on the same held-out prompts; by `scarcity` the table of the variants beside what
#      merged heads would do, the answer and a figure; by `scarcity_probes` the table of the probes beside the
#      unchanged recipe; by `scarcity_copy` what resources/scarcity/ holds of both, which all reports read.
# A model is trained anew when its own part of the recipe, the corpus or the tokenizer changes, never because a
# module did; a training that was stopped goes on from <variant>/checkpoint.
SCARCITY_RECIPE = "config/scarcity.yaml"  # of the working folder, if it has one
if not Path(SCARCITY_RECIPE).exists():
    SCARCITY_RECIPE = os.path.relpath(Path(workflow.basedir) / SCARCITY_RECIPE)
SCARCITY = yaml.safe_load(Path(SCARCITY_RECIPE).read_text(encoding="utf-8"))
VARIANTS = SCARCITY["variants"] | SCARCITY["probes"]
UNCHANGED = [variant for variant, changes in VARIANTS.items() if not changes]  # what probes are held against
PROBES = {variant: VARIANTS[variant] for variant in [*UNCHANGED, *SCARCITY["probes"]]}
SCARCITY_CONTEXT = SCARCITY["model"]["context"]
SCARCITY_PROMPTS = f"{REFERENCE}/scarcity/prompts.parquet"
VARIANT_WEIGHTS = f"{REFERENCE}/scarcity/{{variant}}/model/model.safetensors"


rule scarcity_model:
    input:
        variants=ancient(SCARCITY_RECIPE),
        recipe=ancient(RECIPE),
        tokenizer=by_content(f"{REFERENCE}/tokenizer.json", VARIANT_WEIGHTS),
        train=by_content(f"{REFERENCE}/corpus/train-{SCARCITY_CONTEXT}.npz", VARIANT_WEIGHTS),
        held_out=by_content(f"{REFERENCE}/corpus/held_out-{SCARCITY_CONTEXT}.npz", VARIANT_WEIGHTS),
    output:
        weights=VARIANT_WEIGHTS,
        config=f"{REFERENCE}/scarcity/{{variant}}/model/config.json",
        tokenizer=f"{REFERENCE}/scarcity/{{variant}}/model/tokenizer.json",
        record=f"{REFERENCE}/scarcity/{{variant}}/model/training.json",
        log=f"{REFERENCE}/scarcity/{{variant}}/model/training-log.csv",
    wildcard_constraints:
        variant="|".join(VARIANTS),
    threads: workflow.cores
    resources:
        mem_mb=memory(8000),
        runtime=minutes(240),
    params:
        hashes=hashes(
            f"{REFERENCE}/tokenizer.json",
            *expand(f"{REFERENCE}/corpus/{{split}}-{SCARCITY_CONTEXT}.npz", split=["train", "held_out"]),
        ),
        choices=lambda wildcards: [SCARCITY["model"], SCARCITY["training"], VARIANTS[wildcards.variant]],
    message:
        "Training {wildcards.variant} (resumes from its checkpoint)"
    script:
        "../scripts/scarcity_model.py"


rule scarcity_prompts:
    input:
        recipe=ancient(SCARCITY_RECIPE),
        documents=by_content(f"{REFERENCE}/corpus/documents.parquet", SCARCITY_PROMPTS),
        held_out=by_content(f"{REFERENCE}/corpus/held_out-{SCARCITY_CONTEXT}.npz", SCARCITY_PROMPTS),
    output:
        prompts=SCARCITY_PROMPTS,
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        choices=[SCARCITY["measures"]["prompts"], SCARCITY["measures"]["seed"]],
    message:
        "Drawing the held-out prompts that all variants are measured on"
    script:
        "../scripts/scarcity_prompts.py"


rule scarcity_profile:
    input:
        recipe=ancient(SCARCITY_RECIPE),
        prompts=rules.scarcity_prompts.output.prompts,
        weights=rules.scarcity_model.output.weights,
        config=rules.scarcity_model.output.config,
        tokenizer=rules.scarcity_model.output.tokenizer,
        record=rules.scarcity_model.output.record,
    output:
        profile=f"{REFERENCE}/scarcity/{{variant}}/profile/edge_profile.csv",
        explained=f"{REFERENCE}/scarcity/{{variant}}/profile/edge_explained.csv",
        heads=f"{REFERENCE}/scarcity/{{variant}}/profile/heads.csv",
        observed=f"{REFERENCE}/scarcity/{{variant}}/profile/observed.csv",
        facts=f"{REFERENCE}/scarcity/{{variant}}/profile/facts.json",
    wildcard_constraints:
        variant="|".join(VARIANTS),
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(60),
    params:
        choices=[SCARCITY["measures"]],
    message:
        "What the heads of {wildcards.variant} do"
    script:
        "../scripts/scarcity_profile.py"


rule scarcity:
    input:
        recipe=ancient(SCARCITY_RECIPE),
        prompts=rules.scarcity_prompts.output.prompts,
        facts=expand(rules.scarcity_profile.output.facts, variant=SCARCITY["variants"]),
    output:
        table=f"{REFERENCE}/scarcity/scarcity.csv",
        heads=f"{REFERENCE}/scarcity/scarcity_heads.csv",
        merged=f"{REFERENCE}/scarcity/scarcity_merged.csv",
        answer=f"{REFERENCE}/scarcity/scarcity.json",
        figure=f"{REFERENCE}/scarcity/scarcity.svg",
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(20),
    params:
        choices=[SCARCITY["measures"]],
        variants=list(SCARCITY["variants"]),
    message:
        "Do fewer heads each carry more than merging explains?"
    script:
        "../scripts/scarcity.py"


rule scarcity_probes:
    input:
        recipe=ancient(SCARCITY_RECIPE),
        prompts=rules.scarcity_prompts.output.prompts,
        facts=expand(rules.scarcity_profile.output.facts, variant=PROBES),
    output:
        table=f"{REFERENCE}/scarcity/probes.csv",
        heads=f"{REFERENCE}/scarcity/probes_heads.csv",
        record=f"{REFERENCE}/scarcity/probes.json",
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        changes=PROBES,
    message:
        "What else sharpens attention"
    script:
        "../scripts/scarcity_probes.py"


rule scarcity_copy:
    input:
        made=[*rules.scarcity.output, *rules.scarcity_probes.output],
    output:
        touch(f"{REFERENCE}/scarcity.exported"),
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        directory="resources/scarcity",
    message:
        "Copying tables, answer and figure to {params.directory}"
    script:
        "../scripts/scarcity_copy.py"
