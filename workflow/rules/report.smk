# In:  the tables and figures of every stage, provenance.json, the document in report/.
# Out: numbers.json, every number that the report prints; report/index.html and report/index.pdf.
# Nothing here opens the model; a number changes, and the text changes with it.
include: "checkout.smk"


rule numbers:
    input:
        tables=STUDY_OUTPUTS,
        provenance=rules.provenance.output.provenance,
        prompts=rules.sample.output.prompts,
        model=model_card(),
        library=library("numbers", "distribution", "files"),
    output:
        numbers=f"{OUT}/numbers.json",
    log:
        f"{OUT}/logs/numbers.log",
    benchmark:
        f"{OUT}/benchmarks/numbers.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(5),
    params:
        heads=HEADS,
    message:
        "Gathering the numbers of the report"
    script:
        "../scripts/numbers.py"


rule rulegraph:
    input:
        snakefile=checkout("Snakefile"),
        rules=checkout_files("workflow/rules", "*.smk"),
        library=library("rulegraph", "style"),
    output:
        figure=f"{OUT}/rulegraph.svg",
    log:
        f"{OUT}/logs/rulegraph.log",
    benchmark:
        f"{OUT}/benchmarks/rulegraph.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(5),
    params:
        config={key: value for key, value in config.items() if key != "report"},
    message:
        "Figure: the rules of this workflow"
    script:
        "../scripts/rulegraph.py"


rule explorer_rows:
    input:
        labels=f"{OUT}/heads/{MAIN_HEAD}/labels.parquet",
        shown=f"{OUT}/heads/{MAIN_HEAD}/shown.json",
        prompts=rules.sample.output.prompts,
        model=model_files(),
        library=library("explorer", "chunks", "prompts", "rows", "transformer", "models", "tokens", "style"),
    output:
        rows=f"{OUT}/heads/{MAIN_HEAD}/explorer_rows.json",
    log:
        f"{OUT}/logs/explorer_rows.log",
    benchmark:
        f"{OUT}/benchmarks/explorer_rows.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(10),
    params:
        head=MAIN_HEAD,
        context=STUDY.context,
        taxonomies=STUDY.taxonomies,
        seed=STUDY.seed,
    message:
        "Rows of head {params.head} for the explorer"
    script:
        "../scripts/explorer_rows.py"


rule explorer:
    input:
        rows=rules.explorer_rows.output.rows,
        sources=checkout_files("report/explorer"),
        library=library("explorer", "style", "files"),
    output:
        page=f"{OUT}/report/explorer.html",
    log:
        f"{OUT}/logs/explorer.log",
    benchmark:
        f"{OUT}/benchmarks/explorer.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(5),
    params:
        head=MAIN_HEAD,
        model=str(STUDY.model),
        study=STUDY.study,
    message:
        "A page to leaf through rows: {output.page}"
    script:
        "../scripts/explorer.py"


rule report_variables:
    input:
        numbers=rules.numbers.output.numbers,
        provenance=rules.provenance.output.provenance,
        rulegraph=rules.rulegraph.output.figure,
        explorer=rules.explorer.output.page,
        sources=checkout_files("report"),
        library=library(
            "report_source",
            "report_tables",
            "prose",
            "published",
            "markdown",
            "templates",
            "numbers",
            "style",
        ),
    output:
        build=directory(f"{OUT}/report/build"),
    log:
        f"{OUT}/logs/report_variables.log",
    benchmark:
        f"{OUT}/benchmarks/report_variables.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(5),
    params:
        templates=STUDY.ablation.templates if STUDY.ablation.tasks else "",
    message:
        "Putting numbers, sentences, tables and figures into the report"
    script:
        "../scripts/report_variables.py"


rule report:
    input:
        build=rules.report_variables.output.build,
        library=library("render", "files"),
    output:
        html=f"{OUT}/report/index.html",
        pdf=f"{OUT}/report/index.pdf",
    log:
        f"{OUT}/logs/report.log",
    benchmark:
        f"{OUT}/benchmarks/report.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        renderer=STUDY.report.renderer,
    message:
        "Rendering the report: {output.html} and {output.pdf}"
    script:
        "../scripts/report.py"


rule notebook:
    input:
        source=checkout("notebooks/explore_head.py"),
        numbers=rules.numbers.output.numbers,
        provenance=rules.provenance.output.provenance,
        labels=f"{OUT}/heads/{MAIN_HEAD}/labels.parquet",
        library=library("notebook"),
    output:
        notebook=f"{OUT}/notebook/explore_head.ipynb",
    log:
        f"{OUT}/logs/notebook.log",
    benchmark:
        f"{OUT}/benchmarks/notebook.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(20),
    params:
        head=MAIN_HEAD,
    message:
        "Executing the notebook: {output.notebook}"
    script:
        "../scripts/notebook.py"


rule example:
    input:
        made=[rules.report.output.html, rules.report.output.pdf, rules.explorer.output.page],
        library=library("example", "files"),
    output:
        record=checkout("docs/example/made_from.json"),
    log:
        f"{OUT}/logs/example.log",
    benchmark:
        f"{OUT}/benchmarks/example.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        repository=checkout("."),
    message:
        "Keeping this report as the repository's example: {output.record}"
    script:
        "../scripts/example.py"
