"""Label the rows of every head. In: prompts, model. Out: atlas.csv."""

from pathlib import Path

from stage import stage

from polyhead.attention.atlas import atlas
from polyhead.attention.distribution import draw_documents
from polyhead.attention.labels import Definitions
from polyhead.files import write_csv
from polyhead.model.head import all_heads
from polyhead.model.opening import open_model, to_device
from polyhead.prompts.clusters import read_clustering
from polyhead.prompts.sampling import read_prompts


@stage
def main(input, output, prompts, window, threshold, taxonomies, device, dtype, n_resamples, seed):
    model, vocabulary = open_model(Path(input.model[0]).parent)
    heads, model = all_heads(model.n_layers, model.n_heads), to_device(model, device, dtype)
    definitions = Definitions(window, threshold, taxonomies)
    draws = draw_documents(read_clustering(input.prompts, prompts), n_resamples, seed)
    first = read_prompts(input.prompts, 0, prompts)
    write_csv(output.atlas, atlas(model, vocabulary, heads, first, definitions, draws))
