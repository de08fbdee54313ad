"""Text in: read from whatever there is, tokenised and packed; and text that means harm, or is none."""

import json
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lookalikes import SENTENCEPIECE, lookalike

from polyhead.config import StudyConfig, load_study, made_with
from polyhead.errors import PolyheadError
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.clusters import read_clustering
from polyhead.prompts.parts import open_split
from polyhead.prompts.sampling import sample_prompts, write_sample
from polyhead.prompts.text_corpus import PIECE, says_of, tokenised, write_split
from polyhead.prompts.texts import Reader, Text, decoded_sequences, of_side

CODE = "class Node(Base):\n    def total(self):\n        return self.width\n"


HALF = "broken \ud83d text"
ODD = {
    "plain": "x = 1\n\ty = 2\n",
    "windows": "x = 1\r\ny = 2\r\n",
    "marked": "\ufeffx = 1\n",
    "half": HALF,
    "pair": "whole \U0001f642 text",
    "null": "x\0y",
    "blank": " \n\t\n",
    "empty": "",
}
"""Texts that a file, a line of JSON or a cell can hold; by every door the same should come in."""


def texts(path, column="text"):
    reader = Reader(path, column)
    return [(one.document, one.source, one.source_type, one.text) for one in reader], reader.counts()


def column_of(kind, values):
    encoded = pa.array([one and one.encode("utf-8", "surrogatepass") for one in values], pa.binary())
    if pa.types.is_dictionary(kind):
        return encoded.cast(pa.string()).dictionary_encode().cast(kind)
    return encoded.cast(kind, safe=False)


def folder(path, values):
    path.mkdir()
    for number, value in enumerate(values):
        (path / f"{number:03}").write_bytes((value or "").encode("utf-8", "surrogatepass"))
    return path


def lines(path, values):
    path.write_text("".join(json.dumps({"text": value}) + "\n" for value in values))
    return path


DOORS = {
    "folder": folder,
    "t.jsonl": lines,
    "pandas.parquet": lambda path, values: pd.DataFrame({"text": values}).to_parquet(path) or path,
}
KINDS = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.large_binary(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int8(), pa.large_string()),
]


def came_in(path, vocabulary):
    found, counts = texts(path)
    made = tokenised(Reader(path), vocabulary, None)
    return [text for *_, text in found], [tokens.tolist() for tokens in made.tokens], counts


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_table_of_any_kind_of_text_is_that_of_the_lines(tmp_path, vocabulary, kind):
    values = [text for text in ODD.values() if text != HALF or not pa.types.is_dictionary(kind)] + [None]
    column = column_of(kind, values)
    pq.write_table(pa.table({"text": column, "n": range(len(values))}), tmp_path / "t.parquet")
    expected = came_in(lines(tmp_path / "t.jsonl", values), vocabulary)
    assert came_in(tmp_path / "t.parquet", vocabulary) == expected


@pytest.mark.parametrize("door", DOORS)
def test_a_text_comes_in_the_same_by_every_door(tmp_path, vocabulary, door):
    values = [text for text in ODD.values() if text != HALF or "pandas" not in door]
    found, tokens, counts = came_in(DOORS[door](tmp_path / door, [*values, None]), vocabulary)
    half = ["broken \ufffd text"] if HALF in values else []
    assert found == ["x = 1\n\ty = 2\n", "x = 1\ny = 2\n", "x = 1\n", *half, "whole \U0001f642 text"]
    assert tokens == [vocabulary.encode(text) for text in found]
    changed = {"line ends of Windows": 1, "byte order mark": 1, "half a surrogate pair": len(half)}
    assert counts["changed"] == {reason: count for reason, count in changed.items() if count}
    assert counts["left_out"] == {"binary, or not UTF-8": 1, "empty": 3}


def test_a_folder_is_read_file_by_file_in_order(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/two.py").write_bytes(b"x = 1\n")
    (tmp_path / "a.md").write_text("# Ä\n")
    (tmp_path / "none").write_text("text")
    (tmp_path / ".hidden").write_text("text")
    found, counts = texts(tmp_path)
    assert [name for name, *_ in found] == ["a.md", "b/two.py", "none"]
    assert [kind for _, _, kind, _ in found] == ["md", "py", "unlabelled"]
    assert counts == {"left_out": {}, "changed": {}}


def test_odd_encodings_are_read_or_counted_and_names_are_text(tmp_path):
    contents = {b"utf16": "ä".encode("utf-16"), b"latin1": "ä".encode("latin-1"), b"odd16": b"\xff\xfea"}
    for name, content in (contents | {b"binary": b"\x7fELF\0\0", b"no\xff": b"text"}).items():
        (tmp_path / os.fsdecode(name)).write_bytes(content)
    found, counts = texts(tmp_path)
    assert [(source, text) for _, source, _, text in found] == [("no\ufffd", "text"), ("utf16", "ä")]
    assert counts["left_out"] == {"binary, or not UTF-8": 3}


def test_lines_and_tables_say_where_texts_are_from(tmp_path):
    records = [{"body": "one", "source": "s 1", "source_type": "code"}, {"body": ""}, {"body": "two"}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n\n")
    found, _ = texts(tmp_path / "t.jsonl", "body")
    assert found == [("1", "s 1", "code", "one"), ("3", "line 3", "unlabelled", "two")]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "t.parquet")
    found, _ = texts(tmp_path / "t.parquet", "body")
    assert found == [("1", "s 1", "code", "one"), ("3", "record 3", "unlabelled", "two")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"text": "a"}\n{"text": ', "line 2 of .* is not JSON"),
        ("<!DOCTYPE html>", "line 1 of .* is not JSON"),
        ('{"txt": "a"}', "line 1 of .* has no text in 'text'; its keys: 'txt'; corpus.text_column names"),
        ('{"text": 3}', "has no text in 'text'"),
        ('["a"]', "has no text in 'text'; its keys: none"),
        (b'{"text": "\xff"}', "line 1 of .* is not JSON"),
        ("[" * 10**6, "line 1 of .* is not JSON"),
    ],
)
def test_lines_that_are_none_are_named(tmp_path, content, words):
    path = tmp_path / "t.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PolyheadError, match=words) as refused:
        texts(path)
    assert "\n" not in str(refused.value)


def test_a_table_without_texts_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"content": ["one"], "text": [3], "parts": [["a"]]}), path)
    for column in ("text", "parts", "absent"):
        words = rf"no column '{column}' of texts; its columns: content \(string\), text \(int64\), parts"
        with pytest.raises(PolyheadError, match=words):
            texts(path, column)
    path.write_text("<!DOCTYPE html>")
    with pytest.raises(PolyheadError, match=r"cannot read .* as parquet"):
        texts(path)


def test_tokens_are_those_of_the_whole_text_even_of_a_very_long_line(vocabulary):
    long = "value = width + key; " * 2000
    assert len(long) > PIECE / 2
    found = tokenised([Text("d", "s", "t", long), Text("e", "s", "t", "value" * 2 * 2**20)], vocabulary, None)
    assert found.tokens[0].tolist() == vocabulary.encode(long)
    assert len(found.tokens[1]) >= 2 * 2**20
    assert vocabulary.tokenizer.decode(found.tokens[1][-9:].tolist()).endswith("valuevalue")
    assert found.characters == len(long) + 10 * 2**20
    assert found.whole


def test_a_long_text_is_cut_in_front_of_a_line(vocabulary):
    text = ("x" * 1000 + "\n") * 200
    found = tokenised([Text("d", "s", "t", text)], vocabulary, None)
    assert vocabulary.tokenizer.decode(found.tokens[0].tolist()) == text
    assert found.tokens[0].tolist() == vocabulary.encode(text)


def test_no_space_is_put_into_a_long_text():
    vocabulary, text = lookalike(SENTENCEPIECE), "self.value\n" * 9000
    found = tokenised([Text("d", "s", "t", text)], vocabulary, None)
    assert len(text) > PIECE
    assert found.tokens[0].tolist() == vocabulary.encode(text)


def test_a_text_that_names_special_tokens_gets_none(vocabulary):
    found = tokenised([Text("d", "s", "t", "a <|EOS|><|BOS|> b")], vocabulary, None)
    assert not {vocabulary.bos, vocabulary.eos} & set(found.tokens[0].tolist())


def test_no_more_is_read_than_was_asked_for(vocabulary):
    many = (Text(str(number), "s", "t", "x" * 1000) for number in range(10**6))
    found = tokenised(many, vocabulary, 0.01)
    assert (len(found.tokens), found.characters, found.whole) == (10, 10_000, False)


def write(path, some, vocabulary, context=16, needed=1, document_ids=None):
    settings = {"context": context, "needed": needed, "seed": 0, "megabytes": None, "where": "here"}
    settings["document_ids"] = {} if document_ids is None else document_ids
    return write_split(path, some, vocabulary, **settings)


def test_no_number_stands_for_two_documents_of_different_splits(vocabulary, tmp_path):
    document_ids, found = {}, []
    for split in ("a", "b"):
        some = [Text(f"{split}{number}", "s", "code", CODE) for number in range(4)]
        write(tmp_path / split, some, vocabulary, document_ids=document_ids)
        sequences = pq.read_table(tmp_path / split)["documents"].to_pylist()
        found.append({document for sequence in sequences for document in sequence})
    assert not found[0] & found[1]
    assert len(document_ids) == 8


def test_sequences_open_with_the_opening_token_and_know_their_documents(vocabulary, tmp_path):
    some = [Text(str(number), f"s{number}", "code", f"value{number} = other\n" * 9) for number in range(12)]
    record = write(tmp_path / "held_out.parquet", some, vocabulary)
    sequences = pq.read_table(tmp_path / "held_out.parquet").to_pylist()
    assert record == {
        "documents": 12,
        "characters": 12 * 9 * 15 + 2 * 9,
        "sequences": len(sequences),
        "whole": True,
    }
    streams = {}
    for sequence in sequences:
        tokens, ends = sequence["tokens"], [*sequence["starts"][1:], 16]
        assert len(tokens) == 16
        assert tokens[0] == vocabulary.bos
        assert sequence["starts"][0] == 1
        for document, start, end in zip(sequence["documents"], sequence["starts"], ends, strict=True):
            streams.setdefault(document, []).extend(tokens[start:end])
        sizes = np.diff([*sequence["starts"], 16])
        assert sequence["source"] == f"s{sequence['documents'][int(sizes.argmax())]}"
    whole = [document for document, stream in streams.items() if stream[-1] == vocabulary.eos]
    assert len(whole) >= 11
    for document in whole:
        assert vocabulary.tokenizer.decode(streams[document][:-1]) == some[document].text
    write_sample(tmp_path, *sample_prompts(open_split(tmp_path / "held_out.parquet"), 10, 16, vocabulary, 0))
    assert read_clustering(tmp_path / "prompts.parquet").count > 5


def test_too_little_text_is_one_clear_line(vocabulary, tmp_path):
    for some in ([Text("d", "s", "t", "short")], []):
        with pytest.raises(PolyheadError, match=rf"here: {len(some)} documents make 0 prompts of 16 tokens"):
            write(tmp_path / "held_out.parquet", some, vocabulary)
    assert not (tmp_path / "held_out.parquet").exists()


def test_what_was_read_is_said():
    record = {"documents": 1200, "characters": 3e6, "whole": False, "text": "t"}
    said = "packed from 1,200 documents of t with the model's own tokenizer"
    assert says_of(record) == said + ", of which 3 million characters were read"
    counts = {"left_out": {"odd": 2, "empty": 1}, "changed": {"line ends": 3}}
    assert says_of({**record, "whole": True, **counts}) == (
        said + "; left out: 1 (empty), 2 (odd); changed: 3 (line ends)"
    )


def test_sequences_of_another_tokenizer_come_back_as_texts(vocabulary, tmp_path):
    some = [Text(str(number), f"s{number}", "code", f"Größe{number} = '€'\n" * 5) for number in range(8)]
    write(tmp_path / "held_out.parquet", some, vocabulary, context=40)
    found = {}
    for one in decoded_sequences(tmp_path / "held_out.parquet", vocabulary):
        found[one.document] = found.get(one.document, "") + one.text
    of = {number: some[int(number)].text for number in found}
    complete = [number for number, text in found.items() if text == of[number]]
    assert len(complete) >= 5  # a character that a sequence cuts in two is lost, and so is the last sequence
    pq.write_table(pa.table({"tokens": [[0, 5, 6]]}), tmp_path / "bare.parquet")
    with pytest.raises(
        PolyheadError, match="has no column documents; sequences of another tokenizer can be decoded"
    ):
        list(decoded_sequences(tmp_path / "bare.parquet", vocabulary))


@pytest.mark.parametrize("count", [2, 3, 5, 300])
def test_a_head_is_chosen_on_other_documents_than_the_report_reads_and_there_are_both(count):
    some = [Text(str(n), "s", "t", f"text {n}") for n in range(count)]
    twice = [*some, *(Text("again", "x", "y", one.text) for one in some)]
    chosen, reported = ({one.text for one in of_side(twice, side)} for side in (True, False))
    assert not chosen & reported
    assert len(chosen | reported) == count
    assert len(chosen) == (count + 1) // 3


def test_one_document_is_said_to_be_too_few_to_choose_a_head_on(vocabulary, tmp_path):
    book = [Text("book", "s", "t", CODE * 100)]
    with pytest.raises(
        PolyheadError, match=r"here: 0 documents .* one document is too few; selection: {prompts"
    ):
        write(tmp_path / "dev.parquet", of_side(book, True), vocabulary)
    write(tmp_path / "held_out.parquet", of_side(book, False), vocabulary)


def test_the_shipped_corpus_is_made_anew_for_every_other_tokenizer(tmp_path, model_dir):
    shipped = StudyConfig.model_fields["model"].default
    plain = load_study({})
    assert plain.model == shipped
    assert made_with(plain) is None
    other = plain.model_copy(update={"model": str(model_dir)})
    assert str(made_with(other)) == f"{shipped}/tokenizer.json"
    fetched = plain.model_copy(update={"model": "results/reference/model"})
    assert str(made_with(fetched)) == f"{shipped}/tokenizer.json"
    own = plain.corpus.model_copy(update={"path": str(tmp_path)})
    assert (
        made_with(other.model_copy(update={"corpus": own})) is None
    )  # sequences of one's own are taken as they are
    made = own.model_copy(update={"tokenizer": f"{shipped}/tokenizer.json"})
    assert made_with(other.model_copy(update={"corpus": made})) is not None
    assert open_vocabulary(made_with(fetched)).bos == 0


@pytest.mark.parametrize(
    ("corpus", "words"),
    [
        ({"text": "no/text"}, "corpus.text: no/text does not exist"),
        (
            {"text": "README.md"},
            r"corpus.text: README.md given; a folder of text files, or a file of \.jsonl",
        ),
        ({"text": "docs", "repo": "x/y"}, "corpus.text: given beside `repo` or `tokenizer`"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_before_anything_runs(corpus, words):
    with pytest.raises(PolyheadError, match=words):
        load_study({"corpus": corpus})
