# In:  the reference model's tokenizer and held-out corpus, for tokens that repeat as real ones do; weights are
#      random, of the published model's shape.
# Out: results/benchmark/attention.csv and its figure. `snakemake benchmark` runs both sections' benchmarks.


rule benchmark:
    input:
        "results/benchmark/attention.csv",
        "results/benchmark/attention.svg",
        "results/benchmark/ablation.csv",


rule benchmark_attention:
    input:
        tokenizer="resources/reference-model/tokenizer.json",
        corpus="resources/corpus/held_out.parquet",
    output:
        table="results/benchmark/attention.csv",
    threads: 1
    resources:
        mem_mb=memory(6000),
        runtime=minutes(60),
    params:
        sequences=128,
        rounds=7,
        numbers=[100, 1000, 5000],
    message:
        "Timing section 1 against two notebook ways; takes minutes"
    script:
        "../scripts/benchmark_attention.py"


rule benchmark_attention_figure:
    input:
        table=rules.benchmark_attention.output.table,
    output:
        figure="results/benchmark/attention.svg",
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    message:
        "Figure: benchmark of section 1"
    script:
        "../scripts/benchmark_attention_figure.py"
