"""Draw the study's prompts, and others to choose on. In: corpus, tokenizer. Out: prompts, records."""

from pathlib import Path

from stage import stage

from polyhead.files import read_json
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.hub_dataset import open_corpus
from polyhead.prompts.samples import Sampler, write_sample
from polyhead.prompts.text_corpus import says_of


@stage
def main(input, output, prompts, selected, context, seed, corpus, megabytes):
    sampler = Sampler(context, open_vocabulary(input.tokenizer), seed, megabytes)
    sources = [Path(path) for path in input.splits] or [open_corpus(corpus, whole=megabytes is None)] * 2
    sample, how = sampler.draw(sources[0], prompts)
    for path in input.packed:
        how |= {"packed": (packed := read_json(path)), "says": f"{how['says']}; {says_of(packed)}"}
    write_sample(Path(output.prompts).parent, sample, how)
    if selected:
        write_sample(Path(output.selection[0]).parent, *sampler.draw_apart(sources[1], selected, sample))
