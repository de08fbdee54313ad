# In:  the tables and figures of every stage, provenance.json, the document in report/; resources/scarcity, where it is.
# Out: numbers.json, every number that the report prints; report/index.html and report/index.pdf.
# Nothing here opens the model; a number changes, and the text changes with it.
rule explorer_rows:
    input:
        model=model_files(),
        prompts=rules.sample.output.prompts,
        tasks=expand(f"{OUT}/tasks/{{task}}.json", task=TASKS),
        examples=f"{OUT}/heads/{MAIN_HEAD}/examples.json",
        moments=f"{OUT}/heads/{MAIN_HEAD}/moments.csv" if STUDY.ablation.real_text_prompts else [],
        mean=f"{OUT}/heads/{MAIN_HEAD}/mean_output.json" if STUDY.edges.prompts else [],
    output:
        rows=f"{OUT}/heads/{MAIN_HEAD}/explorer_rows.json",
    params:
        head=MAIN_HEAD,
        window=STUDY.previous_window,
        threshold=STUDY.threshold,
        taxonomies=STUDY.taxonomies,
        megabytes=STUDY.report.explorer_megabytes,
        seed=STUDY.seed,
    message:
        "Prompts for the explorer, and what head {params.head} does at their rows"
    script:
        "../scripts/explorer_rows.py"


rule explorer:
    input:
        rows=rules.explorer_rows.output.rows,
        edges=f"{OUT}/edges.csv" if STUDY.edges.prompts else [],
        verdicts=f"{OUT}/verdicts.csv" if STUDY.edges.prompts else [],
        tasks=f"{OUT}/tasks_by_heads.csv" if TASKS and STUDY.ablation.all_heads else [],
        page=checkout_files("src/polyhead/report/page"),
    output:
        page=f"{OUT}/report/explorer.html",
    params:
        model=str(STUDY.model),
        study=STUDY.study,
        command=" ".join(
            [
                "snakemake",
                *(f"--configfile {os.path.relpath(file)}" for file in workflow.config_settings.configfiles),
                "--config head=",
            ]
        ),
    message:
        "A page to look at any row: {output.page}"
    script:
        "../scripts/explorer.py"
