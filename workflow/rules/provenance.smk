# In:  the tables of every stage (so that it runs after them), the model, the corpus.
# Out: provenance.json: config as merged, code and package versions, hashes, machine, seeds, wall times.


rule provenance:
    input:
        tables=made(),
        files=[*model_files(), *(file for file in rules.sample.input.splits), rules.sample.output.sampling],
    output:
        provenance=f"{OUT}/provenance.json",
    params:
        study=STUDY.model_dump(mode="json"),
        benchmarks=f"{OUT}/benchmarks",
    message:
        "Recording where the numbers come from"
    script:
        "../scripts/provenance.py"
