"""Text in: read from whatever there is, tokenised and packed; and text that means harm, or is none."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyhead.config import StudyConfig, load_study, made_with
from polyhead.errors import PolyheadError
from polyhead.files import write_parquet
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.clusters import read_clusters
from polyhead.prompts.sampling import sample_prompts
from polyhead.prompts.text_corpus import PIECE, says_of, tokenised, write_split
from polyhead.prompts.texts import Reader, Text, decoded_sequences

CODE = "class Node(Base):\n    def total(self):\n        return self.width\n"


def texts(path, column="text"):
    reader = Reader(path, column)
    return [(one.document, one.source, one.source_type, one.text) for one in reader], dict(reader.left_out)


def test_a_folder_is_read_file_by_file_in_order(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/two.py").write_bytes(b"x = 1\r\n")
    (tmp_path / "a.md").write_text("# Ä\n")
    (tmp_path / "none").write_text("text")
    (tmp_path / ".hidden").write_text("text")
    assert texts(tmp_path) == (
        [
            ("a.md", "a.md", "md", "# Ä\n"),
            ("b/two.py", "b/two.py", "py", "x = 1\n"),
            ("none", "none", "unlabelled", "text"),
        ],
        {},
    )


def test_odd_encodings_and_empty_files_are_read_or_counted(tmp_path):
    contents = {
        "bom": b"\xef\xbb\xbfa",
        "utf16": "ä".encode("utf-16"),
        "latin1": "ä".encode("latin-1"),
        "binary": b"\x7fELF\0\0",
        "odd16": b"\xff\xfea",
        "empty": b"",
        "blank": b" \n\t\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    found, left_out = texts(tmp_path)
    assert [(name, text) for name, _, _, text in found] == [("bom", "a"), ("utf16", "ä")]
    assert left_out == {"no text in UTF-8": 3, "empty": 2}


def test_lines_of_json(tmp_path):
    path = tmp_path / "t.jsonl"
    lines = [{"body": "one", "source": "s 1", "source_type": "code"}, {"body": ""}, {"body": "two"}]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    found, left_out = texts(path, "body")
    assert found == [("1", "s 1", "code", "one"), ("3", "line 3", "unlabelled", "two")]
    assert left_out == {"empty": 1}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"text": "a"}\n{"text": ', "line 2 of .* is not JSON"),
        ("<!DOCTYPE html>", "line 1 of .* is not JSON"),
        ('{"txt": "a"}', "line 1 of .* has no text in 'text'; its keys: 'txt'; corpus.text_column names"),
        ('{"text": 3}', "has no text in 'text'"),
        ('["a"]', "has no text in 'text'; its keys: none"),
        (b'{"text": "\xff"}', "line 1 of .* is not JSON"),
    ],
)
def test_lines_that_are_none_are_named(tmp_path, content, words):
    path = tmp_path / "t.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PolyheadError, match=words) as refused:
        texts(path)
    assert "\n" not in str(refused.value)


def test_a_table(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"content": ["one", None, "two", " "], "source": ["a", "b", None, "d"]}), path)
    found, left_out = texts(path, "content")
    assert found == [("1", "a", "unlabelled", "one"), ("3", "record 3", "unlabelled", "two")]
    assert left_out == {"empty": 1}
    with pytest.raises(PolyheadError, match=r"has no column 'text' of texts; its columns: content, source"):
        texts(path)
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
    sample, _ = sample_prompts(tmp_path / "held_out.parquet", 10, 16, vocabulary, 0)
    write_parquet(tmp_path / "prompts.parquet", pa.concat_tables(sample.tables()))
    clusters = read_clusters(tmp_path / "prompts.parquet", 10, 16)
    assert len(np.unique(clusters.documents)) > 5


def test_too_little_text_is_one_clear_line(vocabulary, tmp_path):
    for some in ([Text("d", "s", "t", "short")], []):
        with pytest.raises(
            PolyheadError, match=r"prompts: 1 asked for; the text of here makes 0 prompts of 16"
        ):
            write(tmp_path / "held_out.parquet", some, vocabulary)
    assert not (tmp_path / "held_out.parquet").exists()


def test_what_was_read_is_said():
    record = {
        "documents": 1200,
        "characters": 3e6,
        "sequences": 9,
        "whole": False,
        "text": "t",
        "left_out": {},
    }
    said = "packed from 1,200 documents of t with the model's own tokenizer"
    assert says_of(record) == said + ", of which 3 million characters were read"
    left_out = {"no text in UTF-8": 2, "empty": 1}
    assert says_of({**record, "whole": True, "left_out": left_out}) == (
        said + "; left out: 1 (empty), 2 (no text in UTF-8)"
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


def test_a_head_is_chosen_on_documents_that_the_report_does_not_read():
    some = [Text(str(n), "s", "t", f"text {n}") for n in range(300)]
    assert 70 < sum(one.to_choose_on for one in some) < 130
    assert all(one.to_choose_on == Text("other", "x", "y", one.text).to_choose_on for one in some)


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
