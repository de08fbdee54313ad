# In:  the tables of every stage (so that it runs after them), the model, the corpus.
# Out: provenance.json: config as merged, code and package versions, hashes, machine, seeds, wall times.


rule provenance:
    input:
        tables=made(),
        files=[*model_files(), *corpus_files(), rules.sample.output.sampling],
    output:
        provenance=f"{OUT}/provenance.json",
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(5),
    params:
        study=STUDY.model_dump(mode="json"),
        benchmarks=f"{OUT}/benchmarks",
    message:
        "Recording where the numbers come from"
    script:
        "../scripts/provenance.py"
