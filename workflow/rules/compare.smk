# In:  the tables of finished studies: `snakemake compare --config studies='[reference,smollm2]'`.
# Out: results/compare/<studies>.html, one page that sets them side by side.
# Their tables are no inputs, so that nothing of a study is made or made anew by it; a missing one is named.


rule compare:
    input:
        sources=checkout_files("report/compare"),
        css=checkout("report/style.css"),
    output:
        page=f"{COMPARISON}/{'-'.join(STUDY.studies) or 'none'}.html",
    localrule: True
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(5),
    params:
        studies=STUDY.studies,
        tables=hashes(*(path for study in STUDY.studies for path in Path("results", study).glob("*.csv"))),
    message:
        "Setting {params.studies} side by side: {output.page}"
    script:
        "../scripts/compare.py"
