"""Train one variant, going on from its checkpoint folder if it holds one.

In: recipes, tokenizer, packed sequences of both splits. Out: a model directory with its log and record.
Progress goes to the screen, not to the rule's log: this takes a quarter of an hour or more.
"""

from pathlib import Path

from _script import logged, use_threads

with logged(snakemake):
    from polyhead.training.scarcity import load_variants, train_variant

    use_threads(snakemake.threads)
    inputs, folder = snakemake.input, Path(snakemake.output.weights).parent.parent
    recipe = load_variants(inputs.variants, inputs.recipe)[snakemake.wildcards.variant]
    train_variant(recipe, Path(inputs.tokenizer), Path(inputs.train), Path(inputs.held_out), folder)
