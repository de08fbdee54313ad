"""Ship the chosen run. In: seeds.csv, models, logs, samples. Out: what resources/ has of them."""

from pathlib import Path

from job import stage

from training.export import copy
from training.tables import read_runs


@stage
def main(input, output):
    seeds = read_runs(input.seeds)
    run = Path(input.logs[0]).parents[1] / seeds.loc[seeds["first"], "run"].item()
    sources = {path.name: path for path in [*run.glob("model/*"), *map(Path, input.samples)]}
    sources["training-log.csv"] = run / "log.csv"
    for path in output:
        copy(sources[Path(path).name], path)
