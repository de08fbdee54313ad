"""Hold a study against the recipe's aims for its head. In: recipe, the study's tables. Out: aims.csv."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    import pandas as pd

    from polyhead.files import write_csv
    from polyhead.training.recipe import load_recipe
    from polyhead.training.targets import head_targets

    wanted = load_recipe(snakemake.input.recipe).targets.head
    found = head_targets(Path(snakemake.params.study), snakemake.params.head, wanted)
    write_csv(Path(snakemake.params.directory) / "aims.csv", pd.DataFrame(found))
