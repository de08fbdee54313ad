"""Execute the notebook on the study. In: notebook, results. Out: explore_head.ipynb."""

import sys

from _script import logged

with logged(snakemake):
    from pathlib import Path

    # jupytext tries to import a package named like this script
    sys.path[:] = [path for path in sys.path if Path(path).name != "scripts"]
    from polyhead.report.notebook import execute

    source, output = Path(snakemake.input.source), Path(snakemake.output.notebook)
    study = str(Path(snakemake.input.provenance).parent)
    execute(source, output, Path.cwd(), STUDY=study, HEAD=snakemake.params.head)
