# In:  templates, tokenizer, model; prompts.parquet and labels.parquet for the effects on real text.
# Out: tasks/<task>.json (filled templates); per head ablation/<task>.parquet, ablation.csv,
#      ablation_positions.csv, controls.csv, real_text.parquet, real_text.csv; tasks_by_heads.csv; their figures.
# Without tasks there is only the real text; `real_text_prompts: 0` leaves that out.
from polyhead.templates import check_tasks

TASKS = STUDY.ablation.tasks
TEMPLATES = STUDY.ablation.templates


wildcard_constraints:
    task="[A-Za-z0-9_-]+",


# A model that is being fetched is there in parts.
if TASKS and all(Path(STUDY.model, name).exists() for name in ("tokenizer.json", "config.json")):
    try:
        check_tasks(TEMPLATES, TASKS, STUDY.model, STUDY.seed)
    except PolyheadError as error:
        sys.exit(f"polyhead: ablation.tasks: {error}")

if TASKS:
    deliver("ablation.csv", "ablation_positions.csv")
    deliver("figures/ablation_{task}.svg", "figures/task_{task}.svg", task=TASKS)
    STUDY_OUTPUTS.extend([f"{OUT}/tasks_by_heads.csv", f"{OUT}/figures/tasks_by_heads.svg"])
if TASKS and STUDY.ablation.controls:
    deliver("controls.csv", "figures/controls.svg")
if STUDY.ablation.real_text_prompts:
    deliver("real_text.csv", "figures/real_text.svg")


rule fill_templates:
    input:
        templates=TEMPLATES,
        tokenizer=f"{STUDY.model}/tokenizer.json",
        config=f"{STUDY.model}/config.json",
        library=library("templates", "tokens", "files"),
    output:
        tasks=expand(f"{OUT}/tasks/{{task}}.json", task=TASKS),
    log:
        f"{OUT}/logs/fill_templates.log",
    benchmark:
        f"{OUT}/benchmarks/fill_templates.tsv"
    conda:
        "../../envs/polyhead.yaml"
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
        library=library("ablation", "ablation_tables", "templates", "transformer", "models", "files"),
    output:
        outcomes=head_file("ablation/{task}.parquet"),
    log:
        f"{OUT}/logs/ablate/{{head}}_{{task}}.log",
    benchmark:
        f"{OUT}/benchmarks/ablate/{{head}}_{{task}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        kinds=STUDY.ablation.kinds,
        seed=STUDY.seed,
    message:
        "Ablating head {wildcards.head} at every position of {wildcards.task}: {params.kinds}"
    script:
        "../scripts/ablate.py"


rule ablation_tables:
    input:
        tasks=rules.fill_templates.output.tasks,
        outcomes=expand(head_file("ablation/{task}.parquet"), task=TASKS, allow_missing=True),
        tokenizer=f"{STUDY.model}/tokenizer.json",
        library=library("ablation_tables", "intervals", "bootstrap", "templates", "tokens", "files"),
    output:
        runs=head_file("ablation.csv"),
        positions=head_file("ablation_positions.csv"),
    log:
        f"{OUT}/logs/ablation_tables/{{head}}.log",
    benchmark:
        f"{OUT}/benchmarks/ablation_tables/{{head}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        draws=STUDY.bootstrap,
        seed=STUDY.seed,
    message:
        "Tables of the ablation of head {wildcards.head}"
    script:
        "../scripts/ablation_tables.py"


rule ablation_figure:
    input:
        task=f"{OUT}/tasks/{{task}}.json",
        runs=rules.ablation_tables.output.runs,
        positions=rules.ablation_tables.output.positions,
        tokenizer=f"{STUDY.model}/tokenizer.json",
        library=library("ablation_figures", "token_picture", "style", "templates", "tokens", "files"),
    output:
        positions=head_file("figures/ablation_{task}.svg"),
        task=head_file("figures/task_{task}.svg"),
    log:
        f"{OUT}/logs/ablation_figure/{{head}}_{{task}}.log",
    benchmark:
        f"{OUT}/benchmarks/ablation_figure/{{head}}_{{task}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    message:
        "Figures: task {wildcards.task}, ablation of head {wildcards.head} by position"
    script:
        "../scripts/ablation_figure.py"


rule tasks_by_heads:
    input:
        tasks=rules.fill_templates.output.tasks,
        model=model_files(),
        library=library(
            "controls",
            "ablation",
            "ablation_figures",
            "intervals",
            "bootstrap",
            "templates",
            "transformer",
            "models",
            "style",
            "files",
        ),
    output:
        table=f"{OUT}/tasks_by_heads.csv",
        figure=f"{OUT}/figures/tasks_by_heads.svg",
    log:
        f"{OUT}/logs/tasks_by_heads.log",
    benchmark:
        f"{OUT}/benchmarks/tasks_by_heads.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        heads=HEADS,
        draws=STUDY.bootstrap,
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
        library=library(
            "controls",
            "ablation",
            "ablation_figures",
            "behaviours",
            "intervals",
            "bootstrap",
            "rows",
            "templates",
            "transformer",
            "models",
            "style",
            "files",
        ),
    output:
        controls=head_file("controls.csv"),
        figure=head_file("figures/controls.svg"),
    log:
        f"{OUT}/logs/controls/{{head}}.log",
    benchmark:
        f"{OUT}/benchmarks/controls/{{head}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        window=STUDY.previous_window,
        threshold=STUDY.threshold,
        draws=STUDY.bootstrap,
        seed=STUDY.seed,
    message:
        "Controls of head {wildcards.head}: where it attends, one edge, the other heads of its layer"
    script:
        "../scripts/controls.py"


rule real_text:
    input:
        prompts=rules.sample.output.prompts,
        model=model_files(),
        library=library("effects", "ablation", "precision", "transformer", "models", "prompts", "files"),
    output:
        effects=head_file("real_text.parquet"),
    log:
        f"{OUT}/logs/real_text/{{head}}.log",
    benchmark:
        f"{OUT}/benchmarks/real_text/{{head}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=minutes(60),
        gpu=GPU,
    params:
        prompts=STUDY.ablation.real_text_prompts,
        device=STUDY.device,
    message:
        "Ablating head {wildcards.head} at every position of {params.prompts} prompts, one at a time"
    script:
        "../scripts/real_text.py"


rule real_text_table:
    input:
        effects=rules.real_text.output.effects,
        labels=rules.classify.output.labels,
        library=library("effects", "chunks", "ablation_figures", "intervals", "bootstrap", "style", "files"),
    output:
        table=head_file("real_text.csv"),
        figure=head_file("figures/real_text.svg"),
    log:
        f"{OUT}/logs/real_text_table/{{head}}.log",
    benchmark:
        f"{OUT}/benchmarks/real_text_table/{{head}}.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        taxonomies=STUDY.taxonomies,
        draws=STUDY.bootstrap,
        seed=STUDY.seed,
    message:
        "Effect of head {wildcards.head} on real text, by the behaviour of the row"
    script:
        "../scripts/real_text_table.py"


rule list_templates:
    input:
        templates=TEMPLATES,
        tokenizer=f"{STUDY.model}/tokenizer.json",
        config=f"{STUDY.model}/config.json",
    log:
        f"{OUT}/logs/list_templates.log",
    localrule: True
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        tasks=TASKS,
        seed=STUDY.seed,
    message:
        "Templates of {input.templates}, filled"
    script:
        "../scripts/list_templates.py"
