# In:  templates, tokenizer, model; prompts.parquet (and labels.parquet) for rows
#      of other texts, which the method resample puts in place of a head's own.
# Out: tasks/<task>.json (filled templates); per head ablation/<task>.parquet, ablation.csv,
#      ablation_positions.csv, controls.csv; tasks_by_heads.csv; their figures.
TEMPLATES = STUDY.ablation.templates
RESAMPLES = "resample" in STUDY.ablation.methods


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
        threads: 1
        resources:
            mem_mb=memory(500),
            runtime=minutes(5),
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
            prompts=rules.sample.output.prompts if RESAMPLES else [],
            others=rules.fill_templates.output.tasks if RESAMPLES else [],
        output:
            outcomes=head_file("ablation/{task}.parquet"),
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes(30),
        params:
            methods=STUDY.ablation.methods,
            seed=STUDY.seed,
        message:
            f"Ablating {WHICH} at every position of {{wildcards.task}}: {{params.methods}}"
        script:
            PER_HEAD

    rule ablation_tables:
        input:
            tasks=rules.fill_templates.output.tasks,
            outcomes=expand(head_file("ablation/{task}.parquet"), task=TASKS, allow_missing=True),
            tokenizer=f"{STUDY.model}/tokenizer.json",
        output:
            runs=head_file("ablation.csv"),
            positions=head_file("ablation_positions.csv"),
        threads: 1
        resources:
            mem_mb=memory(1000),
            runtime=minutes(10),
        params:
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            f"Tables of the ablation of {WHICH}"
        script:
            PER_HEAD

    rule ablation_figure:
        input:
            task=f"{OUT}/tasks/{{task}}.json",
            positions=rules.ablation_tables.output.positions,
            tokenizer=f"{STUDY.model}/tokenizer.json",
        output:
            positions=head_file("figures/ablation_{task}.svg"),
            task=head_file("figures/task_{task}.svg"),
        localrule: True
        threads: 1
        resources:
            mem_mb=memory(1000),
            runtime=minutes(10),
        message:
            f"Figures: task {{wildcards.task}}, ablation of {WHICH} by position"
        script:
            PER_HEAD


if TASKS and STUDY.ablation.all_heads:

    rule tasks_by_heads:
        input:
            tasks=rules.fill_templates.output.tasks,
            model=model_files(),
        output:
            table=f"{OUT}/tasks_by_heads.csv",
            figure=f"{OUT}/figures/tasks_by_heads.svg",
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes(30),
        params:
            heads=HEADS,
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            "Ablating every head of the model at the destination of every task"
        script:
            "../scripts/tasks_by_heads.py"

    rule controls:
        input:
            tasks=rules.fill_templates.output.tasks,
            heads=rules.tasks_by_heads.output.table,
            model=model_files(),
        output:
            controls=head_file("controls.csv"),
            figure=head_file("figures/controls.svg"),
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes(30),
        params:
            window=STUDY.previous_window,
            threshold=STUDY.threshold,
            n_resamples=STUDY.bootstrap,
            seed=STUDY.seed,
        message:
            f"Controls of {WHICH}: where it attends, one edge, the other heads of its layer"
        script:
            PER_HEAD
