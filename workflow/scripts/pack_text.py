"""Tokenise and pack a corpus. In: text, or sequences of another tokenizer. Out: sequences, records."""

from pathlib import Path

from stage import stage

from polyhead.files import write_json
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.text_corpus import write_split
from polyhead.prompts.texts import Reader, decoded_sequences, of_side


@stage
def main(input, output, text, column, needed, where, context, seed, megabytes):
    vocabulary = open_vocabulary(input.tokenizer)
    options = {"context": context, "seed": seed, "megabytes": megabytes, "where": where, "document_ids": {}}
    for place, (path, record) in enumerate(zip(output.sequences, output.records, strict=True)):
        reader = Reader(Path(text), column) if text else None
        if reader:  # the report reads one split, a head is chosen on the other
            texts = of_side(reader, bool(place)) if len(output.sequences) > 1 else reader
        else:
            texts = decoded_sequences(input.text[place], open_vocabulary(input.made_with))
        made = write_split(path, texts, vocabulary, needed=needed[place], **options)
        write_json(record, {"text": where, **made, **(reader.counts() if reader else {})})
