# In:  the tables and figures of every stage, provenance.json, the document in report/; resources/scarcity, where it is.
# Out: numbers.json, every number that the report prints; report/index.html and report/index.pdf.
# Nothing here opens the model; a number changes, and the text changes with it.
from polyhead.report.claims_file import claimed
from polyhead.report.render import renderer_here

# What is claimed of a study of this name, held against it; claims.smk makes it.
CLAIMS = [f"{OUT}/claims.csv"] if claimed(Path(checkout("report")), STUDY.study) else []


rule numbers:
    input:
        tables=made(),
        provenance=rules.provenance.output.provenance,
        model=model_card(),
        scarcity=checkout_files("resources/scarcity"),
    output:
        numbers=f"{OUT}/numbers.json",
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(5),
    params:
        heads=HEADS,
        allow_edited=STUDY.report.allow_edited,
    message:
        "Gathering the numbers of the report"
    script:
        "../scripts/numbers.py"


rule rulegraph:
    input:
        snakefile=checkout("Snakefile"),
        rules=checkout_files("workflow/rules", "*.smk"),
    output:
        figure=f"{OUT}/rulegraph.svg",
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
        shards=expand(f"{OUT}/heads/{MAIN_HEAD}/rows/{{shard}}.parquet", shard=SHARDS),
        figure_tokens=f"{OUT}/heads/{MAIN_HEAD}/figure_tokens.json",
        examples=f"{OUT}/heads/{MAIN_HEAD}/examples.json",
        tasks=expand(f"{OUT}/tasks/{{task}}.json", task=TASKS),
        mean=f"{OUT}/heads/{MAIN_HEAD}/mean_output.json" if STUDY.ablation.real_text_prompts else [],
        prompts=rules.sample.output.prompts,
        model=model_files(),
    output:
        rows=f"{OUT}/heads/{MAIN_HEAD}/explorer_rows.json",
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(10),
    params:
        head=MAIN_HEAD,
        window=STUDY.previous_window,
        threshold=STUDY.threshold,
        taxonomies=STUDY.taxonomies,
        components=STUDY.mechanism.components,
        megabytes=STUDY.report.explorer_megabytes,
        seed=STUDY.seed,
    message:
        "Prompts for the explorer, and what head {params.head} does at their rows"
    script:
        "../scripts/explorer_rows.py"


rule explorer:
    input:
        rows=rules.explorer_rows.output.rows,
        sources=checkout_files("report/explorer"),
    output:
        page=f"{OUT}/report/explorer.html",
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(5),
    params:
        model=str(STUDY.model),
        study=STUDY.study,
        allow_edited=STUDY.report.allow_edited,
    message:
        "A page to look at any row: {output.page}"
    script:
        "../scripts/explorer.py"


rule document:
    input:
        numbers=rules.numbers.output.numbers,
        provenance=rules.provenance.output.provenance,
        claims=CLAIMS,
        rulegraph=rules.rulegraph.output.figure,
        explorer=rules.explorer.output.page,
        scarcity=checkout_files("resources/scarcity", "*.svg"),
        sources=checkout_files("report"),
        templates=TEMPLATES if TASKS else [],
    output:
        build=directory(f"{OUT}/report/build"),
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(5),
    params:
        renderer=renderer_here(STUDY.report.renderer),  # the document names it
        allow_edited=STUDY.report.allow_edited,
    message:
        "Putting numbers, sentences, tables and figures into the report"
    script:
        "../scripts/document.py"


rule report:
    input:
        build=rules.document.output.build,
    output:
        html=f"{OUT}/report/index.html",
        pdf=f"{OUT}/report/index.pdf",
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        renderer=renderer_here(STUDY.report.renderer),  # Quarto, once installed, makes the report anew
        allow_edited=STUDY.report.allow_edited,
    message:
        "Rendering the report: {output.html} and {output.pdf}"
    script:
        "../scripts/report.py"
