"""Pack a finished study as an RO-Crate. In: all it made, provenance. Out: one zip."""

from pathlib import Path

from stage import stage

from polyhead.report.archive import write_archive


@stage
def main(input, output, repository):
    folder = Path(input.provenance).parent
    write_archive(Path(output.archive), folder, Path(repository), map(Path, input.made))
