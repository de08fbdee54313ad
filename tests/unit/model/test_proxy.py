"""A guest network that answers every request with its log-in page."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from polyhead.errors import PolyheadError, explain
from polyhead.model.fetching import read_checkpoint
from polyhead.model.hub import Repository, snapshot

PAGE = b"<!DOCTYPE html><html><title>Log in to the guest network</title></html>"


class LogIn(BaseHTTPRequestHandler):
    """Says yes to everything, and means its log-in page."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(PAGE)

    def do_HEAD(self):
        self.do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def guest_network(monkeypatch, tmp_path):
    """The address of such a network, used for everything that is fetched."""
    from huggingface_hub import constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), LogIn)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield url
    server.shutdown()
    server.shutdown()
    server.server_close()


def test_a_log_in_page_is_not_taken_for_a_model(guest_network, tmp_path):
    with pytest.raises(PolyheadError) as error:
        snapshot(Repository("owner/name"), ["config.json", "*final.pth"])
    shown = explain(error.value)
    assert shown.startswith(
        "cannot fetch config.json and *final.pth of the model owner/name at revision main"
    )
    assert guest_network in shown
    assert "HF_HOME" in shown
    assert not list((tmp_path / "cache").rglob("*.pth"))


def test_a_log_in_page_in_the_place_of_weights_is_refused(tmp_path):
    (tmp_path / "model_final.pth").write_bytes(PAGE)
    with pytest.raises(PolyheadError, match=r"cannot read the checkpoint .*model_final\.pth"):
        read_checkpoint(tmp_path / "model_final.pth")


def test_weights_that_would_run_code_are_refused(tmp_path):
    import pickle
    from pathlib import Path

    import torch

    class Harm:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "pwned",))

    (tmp_path / "a.pth").write_bytes(pickle.dumps({"embed.W_E": Harm()}, protocol=2))
    with pytest.raises(PolyheadError, match="cannot read the checkpoint"):
        read_checkpoint(tmp_path / "a.pth")
    torch.save({"embed.W_E": Harm()}, tmp_path / "b.pth")
    with pytest.raises(PolyheadError, match="cannot read the checkpoint"):
        read_checkpoint(tmp_path / "b.pth")
    assert not (tmp_path / "pwned").exists()
