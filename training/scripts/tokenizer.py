"""Learn the tokenizer. In: recipe, documents. Out: a tokenizer."""

from job import stage

from polyhead.files import replacing
from training.bpe import sample_texts, train_tokenizer
from training.recipe import load_recipe


@stage
def main(input, output):
    recipe = load_recipe(input.recipe)
    texts = sample_texts(input.documents, recipe.tokenizer, recipe.corpus.seed)
    with replacing(output.tokenizer) as temporary:
        train_tokenizer(texts, recipe.tokenizer.vocabulary).save(str(temporary))
