# In:  the reference model's tokenizer and held-out corpus, for tokens that repeat as real ones do; weights are
#      random, of the published model's shape.
# Out: results/benchmark/section1.csv and its figure. `snakemake benchmark` runs both sections' benchmarks.


rule benchmark:
    input:
        "results/benchmark/section1.csv",
        "results/benchmark/section1.svg",
        "results/benchmark/section2.csv",


rule benchmark_section1:
    input:
        tokenizer="resources/reference-model/tokenizer.json",
        corpus="resources/corpus/held_out.parquet",
        library=library("benchmarks/section1", "rows", "behaviours", "transformer", "files"),
    output:
        table="results/benchmark/section1.csv",
    log:
        "results/benchmark/section1.log",
    benchmark:
        "results/benchmark/section1.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(6000),
        runtime=minutes(60),
    params:
        rows=128,
        rounds=7,
        numbers=[100, 1000, 5000],
    message:
        "Timing section 1 against two notebook ways; takes minutes"
    script:
        "../scripts/benchmark_section1.py"


rule benchmark_section1_figure:
    input:
        table=rules.benchmark_section1.output.table,
        library=library("benchmarks/section1_figure", "style", "files"),
    output:
        figure="results/benchmark/section1.svg",
    log:
        "results/benchmark/section1_figure.log",
    benchmark:
        "results/benchmark/section1_figure.tsv"
    conda:
        "../../envs/polyhead.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    message:
        "Figure: benchmark of section 1"
    script:
        "../scripts/benchmark_section1_figure.py"
