"""Sequences of a data set in parquet parts, over a hub on loopback and from directories."""

import shutil

import numpy as np
import published
import pytest
from hub_server import Hub

from polyhead.errors import PolyheadError
from polyhead.prompts.parts import open_corpus
from polyhead.prompts.sampling import sample_prompts

ALL = published.PARTS * published.GROUPS * published.SEQUENCES


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with the data set, and an empty cache."""
    from huggingface_hub import HfFileSystem, constants

    published.write_parts(tmp_path / "hub/datasets" / published.DATASET, published.sequences())
    hub = Hub(tmp_path / "hub")
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    HfFileSystem.clear_instance_cache()
    yield hub
    hub.stop()


def opened(repo=published.DATASET, whole=False, **changes):
    corpus = {"repo": repo, "revision": "b" * 40, "split": "train", "column": "tokens", "sequences": ALL}
    return open_corpus({**corpus, "sha256": {}, **changes}, whole)


def hashes(parts):
    return {part["file"]: part["sha256"] for part in parts.record["parts"]}


def sample(parts, vocabulary, megabytes=None, count=30, context=64, seed=4):
    budget = None if megabytes is None else float(megabytes)
    drawn, record = sample_prompts(parts, count, context, vocabulary, seed, budget)
    return np.stack(drawn["tokens"].to_numpy(zero_copy_only=False)), drawn["sequence"].to_numpy(), record


@pytest.mark.parametrize("whole", [True, False])
def test_prompts_are_the_sequences_they_say_they_are(hub, tmp_path, vocabulary, whole):
    parts = opened(whole=whole)
    tokens, sequences, record = sample(parts, vocabulary, None if whole else 1)
    np.testing.assert_array_equal(tokens, published.sequences()[sequences, :64])
    assert len(set(sequences)) == 30
    assert record["sequences_available"] == ALL
    assert record["sequences_without_bos"] == 0


def test_of_the_parts_only_footers_and_drawn_row_groups_are_read(hub, tmp_path, vocabulary):
    parts = opened()
    footers = hub.bytes_of("train-")
    budget = 3.5 * parts.groups[0].bytes / 1e6
    _, _, record = sample(parts, vocabulary, budget)
    read = record["row_groups_read"]
    assert len(read) == 3
    assert sum(group["prompts"] for group in read) == 30
    assert record["bytes_read"] == sum(group["bytes"] for group in read)
    assert 0 < hub.bytes_of("train-") - footers - record["bytes_read"] < 3 * 64 * 1024
    assert "3 of 12 row groups" in record["says"]


def test_a_branch_that_moved_is_read_anew_and_without_a_hub_as_it_was_last(hub, tmp_path, vocabulary):
    before, after = "c0ffee" + "0" * 34, "a" * 40
    assert opened(revision="main").record["commit"] == before
    hub.revisions["main"] = after
    first = sample(opened(revision="main"), vocabulary, 1)
    hub.stop()
    again = sample(opened(revision="main"), vocabulary, 1)
    assert first[2]["commit"] == again[2]["commit"] == after
    np.testing.assert_array_equal(first[0], again[0])


def test_parts_downloaded_earlier_are_used_instead_of_the_network(hub, tmp_path, vocabulary):
    clustered = sample(opened(), vocabulary, 1)
    opened(whole=True)
    hub.stop()
    shutil.rmtree(tmp_path / "polyhead")
    again = sample(opened(), vocabulary, 1)
    np.testing.assert_array_equal(clustered[0], again[0])
    assert clustered[2] == again[2]


def test_sequences_without_bos_get_one_in_front_and_are_counted_in_a_directory_too(tmp_path, vocabulary):
    drawn = published.sequences()
    drawn[::2, 0] = 7
    published.write_parts(tmp_path, drawn)
    parts = opened(str(tmp_path))
    tokens, sequences, record = sample(parts, vocabulary)
    assert (tokens[:, 0] == vocabulary.bos).all()
    np.testing.assert_array_equal(tokens[sequences % 2 == 1], drawn[sequences[sequences % 2 == 1], :64])
    np.testing.assert_array_equal(tokens[sequences % 2 == 0, 1:], drawn[sequences[sequences % 2 == 0], :63])
    assert record["sequences_without_bos"] == (sequences % 2 == 0).sum() > 0
    assert (record["repo"], record["commit"]) == (str(tmp_path), None)


def test_the_hash_of_a_part_is_the_files_wherever_it_is_read(hub, tmp_path):
    listed = hashes(opened())
    assert listed == hashes(opened(whole=True))
    assert len(set(listed.values())) == published.PARTS
    name = next(iter(listed))
    opened(sha256={name: listed[name]})
    with pytest.raises(PolyheadError, match=f"{name} is not the file that the config expects"):
        opened(sha256={name: "0" * 64})


def test_without_a_network_the_message_names_the_ways_out(hub, tmp_path):
    hub.stop()
    with pytest.raises(PolyheadError) as error:
        opened()
    for part in ("the list of files", published.DATASET, "b" * 40, hub.url, "HF_HOME", "corpus.repo"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequences": 7}, f"corpus.sequences: the config says 7; .* has {ALL}"),
        ({"split": "validation"}, r"corpus.split: no file .* parts are named validation\[-.\]\*parquet"),
        ({"column": "text"}, "corpus.column: .* has no 'text'; columns: tokens"),
        ({"revision": "v9"}, "cannot fetch the list of files of the dataset .* at revision v9"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_what_does_not_fit_is_refused(hub, tmp_path, changes, message, whole):
    if whole:
        message = message.replace("the list of files", ".*")
    with pytest.raises(PolyheadError, match=message):
        opened(whole=whole, **changes)


def test_too_many_prompts_and_foreign_tokens_are_refused(hub, tmp_path, vocabulary):
    parts = opened()
    with pytest.raises(PolyheadError, match=f"prompts: 121 asked for; .* has {ALL} sequences"):
        sample(parts, vocabulary, 1, count=121)
    with pytest.raises(PolyheadError, match="a sequence has 1024 tokens; context: 1025"):
        sample(parts, vocabulary, 1, context=1025)
    foreign = published.sequences()
    foreign[:, 9] = 40000
    published.write_parts(tmp_path / "data", foreign)
    with pytest.raises(
        PolyheadError, match="token 40000 is in the sequences, the ids of the model's tokenizer end at 359"
    ):
        sample(opened(str(tmp_path / "data")), vocabulary)
