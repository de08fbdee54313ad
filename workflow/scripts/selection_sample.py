"""Draw prompts to choose on. In: split or data set, tokenizer, the report's sample. Out: prompts.parquet."""

from stage import stage

from polyhead.files import read_parquet, write_json
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.hub_dataset import open_corpus
from polyhead.prompts.sampling import (
    sample_parts,
    sample_prompts,
    sequence_count,
    without_sequences,
    write_prompts,
)


@stage
def main(input, output, prompts, context, seed, corpus, megabytes):
    vocabulary = open_vocabulary(input.tokenizer)
    if input.split:
        count = min(prompts, sequence_count(input.split[0]))
        sample, record = sample_prompts(input.split[0], count, context, vocabulary, seed + 1)
    else:
        report = read_parquet(input.report, ["sequence"])["sequence"].to_numpy()
        parts = open_corpus(corpus, whole=megabytes is None)
        count = min(prompts + len(report), parts.sequences)
        drawn, record = sample_parts(parts, count, context, vocabulary, seed + 1, megabytes)
        sample = without_sequences(drawn, report, prompts)
    write_prompts(output.prompts, sample)
    write_json(output.sampling, {"prompts": len(sample), "context": context, "seed": seed + 1, **record})
