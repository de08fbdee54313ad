# In:  the study.
# Out: what `rule all` does not make: the study's templates on the screen, the notebook, the study packed as an
#      RO-Crate, the repository's example.
EVERYTHING = made()
EXAMPLE = "docs/example" if STUDY.study == "reference" else f"docs/example-{STUDY.study}"


rule list_templates:
    input:
        templates=TEMPLATES,
        tokenizer=f"{STUDY.model}/tokenizer.json",
        config=f"{STUDY.model}/config.json",
    localrule: True
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


rule notebook:
    input:
        source=checkout("notebooks/explore_head.py"),
        imported=imported_by("notebooks/explore_head.py"),
        numbers=rules.numbers.output.numbers,
        provenance=rules.provenance.output.provenance,
        labels=f"{OUT}/heads/{MAIN_HEAD}/labels.parquet",
    output:
        notebook=f"{OUT}/notebook/explore_head.ipynb",
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


rule archive:
    input:
        made=EVERYTHING,
        provenance=rules.provenance.output.provenance,
        claims=CLAIMS,
    output:
        archive=f"{OUT}/archive/{STUDY.study}.zip",
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20),
    params:
        repository=lambda wildcards: checkout("."),
        allow_edited=STUDY.report.allow_edited,
    message:
        "Packing the study with its report, code and their description: {output.archive}"
    script:
        "../scripts/archive.py"


rule example:
    input:
        made=[rules.report.output.html, rules.report.output.pdf, rules.explorer.output.page],
        golden=checkout("tests/golden/smoke.json"),
    output:
        record=checkout(f"{EXAMPLE}/made_from.json"),
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        repository=lambda wildcards: checkout("."),
    message:
        "Keeping this report as the repository's example: {output.record}"
    script:
        "../scripts/example.py"
