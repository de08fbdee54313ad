"""Time section 2 beside the plain way. Out: results/benchmark/ablation.csv."""

from _script import logged, use_threads

with logged(snakemake):
    from polyhead.benchmarks.ablation import run
    from polyhead.files import write_csv

    use_threads(snakemake.threads)
    write_csv(snakemake.output.table, run(snakemake.params.shapes, snakemake.params.rounds))
