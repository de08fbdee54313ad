"""Record where the numbers come from. In: every stage's files, model, prompts. Out: provenance.json."""

from pathlib import Path

from stage import stage

from polyhead.files import read_parquet, write_json
from polyhead.model.lens import PROMPTS, compared_to_lens
from polyhead.report.provenance import provenance


@stage
def main(input, output, study, benchmarks):
    prompts = read_parquet(input.prompts)["tokens"][:PROMPTS].to_pylist()
    compared = compared_to_lens(Path(study["model"]), prompts)
    files, tables = [*map(Path, input.files)], map(Path, input.tables)
    write_json(output.provenance, provenance(study, files, tables, Path(benchmarks), compared))
