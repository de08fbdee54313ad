"""Draw the study's prompts, and others to choose on. In: corpus, tokenizer. Out: prompts, records."""

from pathlib import Path

from stage import stage

from polyhead.files import read_json
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.parts import open_corpus, open_split
from polyhead.prompts.sampling import sample_apart, sample_prompts, write_sample
from polyhead.prompts.text_corpus import says_of


@stage
def main(input, output, prompts, selected, context, seed, corpus, megabytes):
    asked = context, open_vocabulary(input.tokenizer), seed
    parts = [open_split(path) for path in input.splits] or [open_corpus(corpus, megabytes is None)] * 2
    megabytes = None if input.splits else megabytes
    sample, how = sample_prompts(parts[0], prompts, *asked, megabytes)
    for path in input.packed:
        how |= {"packed": (packed := read_json(path)), "says": f"{how['says']}; {says_of(packed)}"}
    write_sample(Path(output.prompts).parent, sample, how)
    if selected:
        other = sample_apart(parts[1], selected, (parts[0], sample), *asked, megabytes)
        write_sample(Path(output.selection[0]).parent, *other)
