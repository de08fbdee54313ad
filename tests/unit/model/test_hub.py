"""Repositories on a hub and as directories: what is fetched, kept and checked; what is said if not."""

import hashlib

import pytest
from hub_server import COMMIT, Hub

from polyhead.errors import PolyheadError
from polyhead.model.hub import Repository, cached_snapshot, snapshot


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with one model of two files, and an empty cache."""
    from huggingface_hub import constants

    folder = tmp_path / "hub/models/owner/name"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "a_final.pth").write_bytes(b"weights" * 1000)
    hub = Hub(tmp_path / "hub")
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield hub
    hub.stop()


NAME = Repository("owner/name")
WEIGHTS = hashlib.sha256(b"weights" * 1000).hexdigest()


def test_a_revision_is_resolved_and_only_matching_files_are_fetched(hub):
    found = snapshot(NAME, ["*final.pth"])
    assert found.commit == COMMIT
    assert found.one("*final.pth").read_bytes() == b"weights" * 1000
    assert hub.bytes_of("config.json") == 0


def test_what_was_fetched_once_is_not_fetched_again_and_needs_no_network(hub):
    assert cached_snapshot(NAME, ["*final.pth"]) is None
    snapshot(NAME, ["*final.pth"])
    snapshot(NAME, ["*final.pth"])
    assert hub.bytes_of("a_final.pth") == 7000
    hub.stop()
    assert snapshot(NAME, ["*final.pth"]).one("*final.pth").stat().st_size == 7000
    assert cached_snapshot(NAME, ["*final.pth"]).commit == COMMIT


def test_a_download_that_breaks_off_goes_on_where_it_was(hub, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 700)
    hub.drop_after = 6300
    assert snapshot(NAME, ["*final.pth"]).one("*final.pth").read_bytes() == b"weights" * 1000
    assert [size for _, size in hub.sent] == [6300, 700]


def test_without_a_network_the_message_names_the_files_and_the_ways_out(hub):
    hub.stop()
    with pytest.raises(PolyheadError) as error:
        snapshot(NAME, ["config.json"])
    for part in ("config.json", "model owner/name at revision main", hub.url, "HF_HOME", "model.repo"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("repository", "message"),
    [(Repository("owner/name", "v2"), "at revision v2"), (Repository("owner/other"), "owner/other")],
)
def test_an_unknown_repository_or_revision_is_named(hub, repository, message):
    with pytest.raises(PolyheadError, match=message):
        snapshot(repository, ["config.json"])


def test_a_directory_stands_in_for_a_repository(tmp_path):
    (tmp_path / "x_final.pth").write_bytes(b"1")
    found = snapshot(Repository(str(tmp_path)), ["*final.pth"])
    assert found.commit is None
    assert found.record([found.one("*final.pth")], {})["files"] == [
        {"file": "x_final.pth", "bytes": 1, "sha256": hashlib.sha256(b"1").hexdigest()}
    ]


def test_files_are_checked_against_the_expected_sha256(hub):
    found = snapshot(NAME, ["*final.pth"])
    files = found.matching("*final.pth")
    assert found.record(files, {"a_final.pth": WEIGHTS})["commit"] == COMMIT
    with pytest.raises(PolyheadError, match=f"its sha256 is {WEIGHTS}, the config says {'0' * 64}"):
        found.record(files, {"a_final.pth": "0" * 64})
    with pytest.raises(PolyheadError, match=r"has no file 'b_final.pth'; files: a_final\.pth"):
        found.record(files, {"b_final.pth": WEIGHTS})


def test_one_file_must_match(tmp_path):
    found = snapshot(Repository(str(tmp_path)), ["*.pth"])
    with pytest.raises(PolyheadError, match=r"one file must match '\*\.pth'; found: none"):
        found.one("*.pth")


def test_a_pointer_of_git_lfs_is_no_file(tmp_path):
    (tmp_path / "x_final.pth").write_text("version https://git-lfs.github.com/spec/v1\nsize 9\n")
    with pytest.raises(PolyheadError, match=r"x_final\.pth is a Git LFS pointer"):
        snapshot(Repository(str(tmp_path)), ["*.pth"]).matching("*.pth")
