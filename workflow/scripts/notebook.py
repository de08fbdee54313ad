"""Execute the notebook on the study. In: notebook, results. Out: explore_head.ipynb."""

import sys

from _script import logged

with logged(snakemake):
    from pathlib import Path

    # jupytext tries to import a package named like this script
    sys.path[:] = [path for path in sys.path if Path(path).name != "scripts"]
    from polyhead.notebook import execute

    params = snakemake.params
    output = Path(snakemake.output.notebook)
    execute(Path(snakemake.input.source), output, Path.cwd(), STUDY=params.study, HEAD=params.head)
