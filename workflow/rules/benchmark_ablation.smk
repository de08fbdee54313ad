# In:  nothing but the library: models with random weights, of the published and of the reference model's shape.
# Out: results/benchmark/ablation.csv: what an ablation and an effect on real text cost, beside the plain way.


rule benchmark_ablation:
    output:
        table="results/benchmark/ablation.csv",
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
        "../scripts/benchmark_ablation.py"
