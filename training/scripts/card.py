"""Evaluate the exported model and write its card.

In: recipe, resources/reference-model, held-out sequences.
Out: evaluation.json, README.md, curves.svg, checksums.
"""

from pathlib import Path

from _script import logged, use_threads

with logged(snakemake):
    import pandas as pd

    from polyhead.files import read_json, replacing, write_json, write_text
    from polyhead.training.card import draw_curves, model_card
    from polyhead.training.evaluate import evaluate
    from polyhead.training.recipe import load_recipe
    from polyhead.training.ship import write_checksums

    use_threads(snakemake.threads)
    recipe, directory = load_recipe(snakemake.input.recipe), Path(snakemake.input.model[0]).parent
    log_path, aims = directory / "training-log.csv", directory / "aims.csv"
    evaluation = evaluate(directory, Path(snakemake.input.sequences), log_path, recipe.evaluation)
    log, record = pd.read_csv(log_path), read_json(directory / "training.json")
    held = pd.read_csv(aims) if aims.exists() else None
    write_json(directory / "evaluation.json", evaluation)
    with replacing(directory / "curves.svg") as temporary:
        draw_curves(log, temporary)
    write_text(directory / "README.md", model_card(evaluation, log, record, recipe, held))
    write_checksums(directory.parent)
