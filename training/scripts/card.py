"""Write the model card, and renew the checksums of resources/.

In: recipe, shipped model, seeds.csv, compare.csv, a study's claims.csv if there is one.
Out: card, curves, checksums.
"""

from pathlib import Path

from job import stage

from polyhead.files import read_csv, read_json, replacing, write_text
from training.card import draw_curves, model_card
from training.export import write_checksums
from training.recipe import load_recipe
from training.tables import read_runs


@stage
def main(input, output):
    folder, seeds = Path(output.card).parent, read_runs(input.seeds)
    recipe = load_recipe(input.recipe, seeds.loc[seeds["first"], "run"].item())
    record, evaluation = (read_json(folder / name) for name in ("training.json", "evaluation.json"))
    claims = read_csv(input.claims[0]) if input.claims else None
    write_text(output.card, model_card(recipe, record, evaluation, seeds, read_runs(input.compared), claims))
    with replacing(output.curves) as temporary:
        draw_curves(read_csv(folder / "training-log.csv"), temporary)
    write_checksums(Path(output.sums).parent)
