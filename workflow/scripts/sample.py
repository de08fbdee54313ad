"""Draw the study's prompts. In: corpus split or data set, tokenizer. Out: prompts.parquet, sampling.json."""

from stage import stage

from polyhead.files import read_json, write_json
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.hub_dataset import open_corpus
from polyhead.prompts.sampling import sample_parts, sample_prompts, write_prompts
from polyhead.prompts.text_corpus import says_of


@stage
def main(input, output, prompts, context, seed, corpus, megabytes):
    vocabulary = open_vocabulary(input.tokenizer)
    if input.split:
        sample, record = sample_prompts(input.split[0], prompts, context, vocabulary, seed)
        for path in input.packed:
            record |= {"packed": (packed := read_json(path)), "says": f"{record['says']}; {says_of(packed)}"}
    else:
        parts = open_corpus(corpus, whole=megabytes is None)
        sample, record = sample_parts(parts, prompts, context, vocabulary, seed, megabytes)
    write_prompts(output.prompts, sample)
    write_json(output.sampling, {"prompts": prompts, "context": context, "seed": seed, **record})
