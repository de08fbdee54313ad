"""Tokenise and pack one split. In: recipe, documents, tokenizer. Out: sequences and their documents."""

from job import stage

from training.recipe import load_recipe
from training.sequences import packed_split, save_packed


@stage
def main(input, output, split, context):
    seed = load_recipe(input.recipe).corpus.seed
    packed = packed_split(input.documents, input.tokenizer, split, context, seed)
    save_packed(packed, output.sequences)
