# In:  templates, tokenizer, model; prompts.parquet, for the method resample alone.
# Out: tasks/<task>.json (filled templates); per head ablation/<task>.parquet, ablation.csv, ablation_positions.csv and
#      figures/task_<task>.svg; tasks_by_heads.csv and figures/tasks_by_heads.svg. On the screen: the templates, filled.
TEMPLATES = STUDY.ablation.templates


rule list_templates:
    """Print the templates of prompts filled, token by token, with what is wrong in them."""
    input:
        templates=TEMPLATES,
        tokenizer=f"{STUDY.model}/tokenizer.json",
        config=f"{STUDY.model}/config.json",
    localrule: True
    params:
        tasks=TASKS,
        seed=STUDY.seed,
    message:
        "Templates of {input.templates}, filled"
    script:
        "../scripts/list_templates.py"


if TASKS:

    rule fill_templates:
        input:
            templates=TEMPLATES,
            tokenizer=f"{STUDY.model}/tokenizer.json",
            config=f"{STUDY.model}/config.json",
        output:
            tasks=expand(f"{OUT}/tasks/{{task}}.json", task=TASKS),
        priority: 1  # first: a word that is not a single token ends the study before anything long has run
        localrule: True
        params:
            tasks=TASKS,
            seed=STUDY.seed,
        message:
            "Filling the templates {params.tasks}"
        script:
            "../scripts/fill_templates.py"

    rule ablate:
        input:
            task=f"{OUT}/tasks/{{task}}.json",
            model=model_files(),
            prompts=rules.sample.output.prompts if "resample" in STUDY.ablation.methods else [],
        output:
            outcomes=expand(f"{HEAD}/ablation/{{task}}.parquet", head=HEADS, allow_missing=True),
        params:
            heads=HEADS,
            methods=STUDY.ablation.methods,
            seed=STUDY.seed,
        message:
            "Ablating {params.heads} at every position of {wildcards.task}: {params.methods}"
        script:
            "../scripts/ablate.py"

    rule ablation_tables:
        input:
            tasks=rules.fill_templates.output.tasks,
            outcomes=expand(f"{HEAD}/ablation/{{task}}.parquet", task=TASKS, allow_missing=True),
            tokenizer=f"{STUDY.model}/tokenizer.json",
        output:
            runs=f"{HEAD}/ablation.csv",
            positions=f"{HEAD}/ablation_positions.csv",
        params:
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            "Tables of the ablation of head {wildcards.head}"
        script:
            "../scripts/ablation_tables.py"

    rule ablation_figures:
        input:
            tasks=rules.fill_templates.output.tasks,
            positions=f"{HEAD}/ablation_positions.csv",
            tokenizer=f"{STUDY.model}/tokenizer.json",
        output:
            figures=expand(f"{HEAD}/figures/task_{{task}}.svg", task=TASKS, allow_missing=True),
        localrule: True
        message:
            "Figures: tasks, head {wildcards.head}"
        script:
            "../scripts/ablation_figures.py"


if TASKS and STUDY.ablation.all_heads:

    rule tasks_by_heads:
        input:
            tasks=rules.fill_templates.output.tasks,
            model=model_files(),
        output:
            table=f"{OUT}/tasks_by_heads.csv",
            figure=f"{OUT}/figures/tasks_by_heads.svg",
        params:
            heads=HEADS,
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            "Ablating every head of the model at the destination of every task"
        script:
            "../scripts/tasks_by_heads.py"
