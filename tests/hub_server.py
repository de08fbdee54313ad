"""A Hugging Face hub on loopback: the few endpoints that downloads and range requests need."""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+))?(?:/(.*))?")
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Hub:
    """Repositories as folders `<root>/<models or datasets>/<owner>/<name>`; every commit is known."""

    root: Path
    revisions: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    sent: list[tuple[str, int]] = field(default_factory=list)
    """Path and body size of every answer with a file's bytes."""
    drop_after: int | None = None
    """The next answer with more bytes breaks off after so many."""

    @cached_property
    def server(self):
        """The server, listening from first use on."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def bytes_of(self, pattern):
        """Return how many bytes of files with this in their path were sent."""
        return sum(size for path, size in self.sent if pattern in path)

    def commit(self, revision):
        return self.revisions.get(revision) or (revision if re.fullmatch("[0-9a-f]{40}", revision) else None)


class Handler(BaseHTTPRequestHandler):
    """Answers for the hub that owns the server."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if match := API.fullmatch(path):
            self.api(*match.groups(), body)
        elif match := FILE.fullmatch(path):
            self.file("datasets" if match[1] else "models", match[2], match[3], match[4])
        else:
            self.refuse("EntryNotFound")

    do_HEAD = do_GET = do_POST = answer  # noqa: N815

    def api(self, kind, name, what, revision, _, body):
        folder, commit = self.hub.root / kind / name, self.hub.commit(revision or "main")
        if not folder.is_dir() or commit is None:
            return self.refuse("RepoNotFound" if commit else "RevisionNotFound")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if what == "tree":
            return self.json([entry(path, folder) for path in files])
        if what == "paths-info":
            asked = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body)["paths"]
            return self.json(
                [entry(path, folder) for path in files if str(path.relative_to(folder)) in asked]
            )
        siblings = [sibling(path, folder) for path in files]
        return self.json({"id": name, "sha": commit, "siblings": siblings, "private": False, "tags": []})

    def file(self, kind, name, revision, path):
        commit, file = self.hub.commit(revision), self.hub.root / kind / name / path
        if commit is None or not file.is_file():
            return self.refuse("EntryNotFound" if commit else "RevisionNotFound", commit)
        content = file.read_bytes()
        first, last = 0, len(content) - 1
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            first, last = int(asked[1]), min(last, int(asked[2] or last))
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Accept-Ranges", "bytes")
        return self.finish_with(content[first : last + 1], str(file))

    def json(self, value):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.finish_with(json.dumps(value).encode())

    def refuse(self, code, commit=None):
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.finish_with(b"{}")

    def finish_with(self, body, path=None):
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if path and self.hub.drop_after is not None and len(body) > self.hub.drop_after:
            body, self.hub.drop_after = body[: self.hub.drop_after], None
            self.close_connection = True
        self.wfile.write(body)
        if path:
            self.hub.sent.append((path, len(body)))


def entry(path, folder):
    """Describe a file as the hub's listings do."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    lfs = {"oid": digest, "size": size, "pointerSize": 134}
    name = str(path.relative_to(folder))
    return {"type": "file", "path": name, "size": size, "oid": digest[:40], "lfs": lfs}


def sibling(path, folder):
    """Describe a file as what the hub says of a repository does, with what is known of its content."""
    found = entry(path, folder)
    lfs = {"sha256": found["lfs"]["oid"], "size": found["size"], "pointerSize": 134}
    return {"rfilename": found["path"], "size": found["size"], "blobId": found["oid"], "lfs": lfs}
