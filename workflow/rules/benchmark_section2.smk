# In:  nothing but the library: models with random weights, of the published and of the reference model's shape.
# Out: results/benchmark/section2.csv: what an ablation and an effect on real text cost, beside the plain way.


rule benchmark_section2:
    input:
        library=library("benchmarks/section2", "ablation", "effects", "transformer", "files"),
    output:
        table="results/benchmark/section2.csv",
    log:
        "results/benchmark/section2.log",
    benchmark:
        "results/benchmark/section2.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: workflow.cores
    resources:
        mem_mb=memory(8000),
        runtime=minutes(60),
    params:
        shapes=["published", "reference"],
        rounds=3,
    message:
        "Timing section 2 against one hooked run per position; takes minutes"
    script:
        "../scripts/benchmark_section2.py"
