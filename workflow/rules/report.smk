# In:  the files of every stage, the model, the corpus, the document in report/.
# Out: provenance.json; numbers.json, every number that the report prints, and claims.csv; report/index.html and
#      report/index.pdf; report/explorer.html. `snakemake claims` prints the claims.
from polyhead.report.render import renderer_here


rule explorer_rows:
    input:
        model=model_files(),
        prompts=rules.sample.output.prompts,
        tasks=expand(f"{OUT}/tasks/{{task}}.json", task=TASKS),
        rows=f"{OUT}/heads/{MAIN_HEAD}/rows/{SHARDS[0]}.parquet",
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


rule provenance:
    input:
        tables=made(),
        files=[*model_files(), *split_files(STUDY.corpus.split), rules.sample.output.sampling],
        prompts=rules.sample.output.prompts,
    output:
        provenance=f"{OUT}/provenance.json",
    resources:
        mem_mb=4000,
    params:
        study=STUDY.model_dump(mode="json"),
        benchmarks=f"{OUT}/benchmarks",
    message:
        "Recording where the numbers come from, and holding the model against TransformerLens"
    script:
        "../scripts/provenance.py"


rule document:
    input:
        provenance=rules.provenance.output.provenance,
        sources=[*checkout_files("report"), *checkout_files("report/discussion")],
        templates=STUDY.ablation.templates if TASKS else [],
    output:
        build=directory(f"{OUT}/report/build"),
        numbers=f"{OUT}/numbers.json",
        claims=f"{OUT}/claims.csv",
    params:
        renderer=renderer_here(STUDY.report.renderer),  # the document names it
    message:
        "Putting numbers, claims, tables and figures into the report"
    script:
        "../scripts/document.py"


rule report:
    input:
        build=rules.document.output.build,
    output:
        html=f"{OUT}/report/index.html",
        pdf=f"{OUT}/report/index.pdf",
    params:
        renderer=renderer_here(STUDY.report.renderer),  # Quarto, once installed, makes the report anew
    message:
        "Rendering the report: {output.html} and {output.pdf}"
    script:
        "../scripts/report.py"


rule claims:
    """Print each claim with its answer; fail where an answer is not the expected one."""
    input:
        claims=rules.document.output.claims,
        provenance=rules.provenance.output.provenance,
        book=checkout("report/claims.yaml"),
    localrule: True
    message:
        f"The claims on {STUDY.study}, and what is expected of them"
    script:
        "../scripts/claims.py"


rule archive:
    """Pack the study with report, code and description as an RO-Crate, one zip."""
    input:
        made=made(),
        provenance=rules.provenance.output.provenance,
    output:
        archive=f"{OUT}/archive/{STUDY.study}.zip",
    params:
        repository=lambda wildcards: checkout("."),
    message:
        "Packing the study with its report, code and their description: {output.archive}"
    script:
        "../scripts/archive.py"
