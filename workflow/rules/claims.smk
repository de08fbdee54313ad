# In:  numbers.json and the tables of a study that something is claimed of (report/claims.yaml).
# Out: claims.csv: what is claimed, what is expected, what the study has, a verdict; claims.md, the same to read.
#      `snakemake claims` prints the table and fails when a claim does.
if CLAIMS:

    rule claims_table:
        input:
            sources=checkout("report/claims.yaml"),
            published=checkout("report/published.yaml"),
            expected=checkout_files("report/expected", f"{STUDY.study}.json"),
            numbers=rules.numbers.output.numbers,
            provenance=rules.provenance.output.provenance,
        output:
            table=CLAIMS[0],
            markdown=f"{OUT}/claims.md",
        threads: 1
        resources:
            mem_mb=memory(1000),
            runtime=minutes(5),
        message:
            "Holding the study against what is claimed of it"
        script:
            "../scripts/claims_table.py"


rule claims:
    input:
        table=CLAIMS,
        sources=checkout("report/claims.yaml"),
    localrule: True
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        study=STUDY.study,
    message:
        "Claims about the study {params.study}"
    script:
        "../scripts/claims.py"
