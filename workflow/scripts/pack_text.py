"""Tokenise and pack a corpus. In: text, or sequences of another tokenizer. Out: sequences, records."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.files import write_json
    from polyhead.model.vocabulary import open_vocabulary
    from polyhead.prompts.text_corpus import write_split
    from polyhead.prompts.texts import Reader, decoded_sequences

    given, params, out = snakemake.input, snakemake.params, snakemake.output
    vocabulary = open_vocabulary(given.tokenizer)
    document_ids: dict[str, int] = {}
    several = len(out.sequences) > 1  # the report reads one split, a head is chosen on the other
    for place, (path, record) in enumerate(zip(out.sequences, out.records, strict=True)):
        if params.text:
            reader = Reader(Path(params.text), params.column)
            texts = (one for one in reader if not several or one.to_choose_on == bool(place))
        else:
            texts = decoded_sequences(given.text[place], open_vocabulary(given.made_with))
        made = write_split(
            path,
            texts,
            vocabulary,
            context=params.context,
            needed=params.needed[place],
            seed=params.seed,
            megabytes=params.megabytes,
            where=params.where,
            document_ids=document_ids,
        )
        left_out = dict(reader.left_out) if params.text else {}
        write_json(record, {"text": params.where, **made, "left_out": left_out})
