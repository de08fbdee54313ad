"""Files of a Hugging Face repository at one revision: downloaded, cached and resumed by `huggingface_hub`.

A local directory with the same files works wherever a repository does; then nothing needs a network.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from polyhead.errors import PolyheadError
from polyhead.files import sha256
from polyhead.model.shape import refuse_pointer


@dataclass(frozen=True)
class Repository:
    """A repository on the hub at a revision (branch, tag or commit), or a local directory."""

    name: str
    revision: str = "main"
    repo_type: Literal["model", "dataset"] = "model"

    @property
    def local(self) -> Path | None:
        """The directory, where the name is one."""
        return Path(self.name) if Path(self.name).is_dir() else None

    def __str__(self) -> str:
        return str(self.local) if self.local else f"{self.name} at revision {self.revision}"


@dataclass(frozen=True)
class Snapshot:
    """Files of a repository on this machine."""

    repository: Repository
    folder: Path
    commit: str | None
    """What the revision resolved to; `None` for a local directory."""

    def matching(self, *patterns: str) -> list[Path]:
        """Return the files whose path in the repository matches any of the patterns, sorted.

        Raises:
            PolyheadError: one is a pointer of Git LFS.
        """
        files = {path: path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*")}
        found = [path for path, name in files.items() if any(fnmatch(name, pattern) for pattern in patterns)]
        found = sorted(path for path in found if path.is_file())
        for path in found:
            refuse_pointer(path)
        return found

    def one(self, pattern: str) -> Path:
        """Return the one file that matches; raise `PolyheadError` where there is none, or several."""
        found = self.matching(pattern)
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise PolyheadError(f"{self.repository}: one file must match {pattern!r}; found: {names}")
        return found[0]

    def record(self, files: Sequence[Path], expected: Mapping[str, str]) -> dict[str, Any]:
        """Describe the files for provenance: where from, size, sha256.

        Raises:
            PolyheadError: a file's sha256 is not the expected one, or a name in `expected` is no file's.
        """
        names = {path.relative_to(self.folder).as_posix(): path for path in files}
        hashes = {name: sha256(path) for name, path in names.items()}
        check_hashes(str(self.repository), hashes, expected)
        return {
            "repo": self.repository.name,
            "revision": self.repository.revision if self.commit else None,
            "commit": self.commit,
            "files": [
                {"file": name, "bytes": path.stat().st_size, "sha256": hashes[name]}
                for name, path in names.items()
            ],
        }


def check_hashes(where: str, found: Mapping[str, str | None], expected: Mapping[str, str]) -> None:
    """Compare files' sha256 with what the config expects; raise `PolyheadError` where one differs."""
    for name, want in expected.items():
        if name not in found:
            raise PolyheadError(f"sha256: {where} has no file {name!r}; files: {', '.join(found)}")
        if found[name] != want:
            raise PolyheadError(
                f"{where}: {name} is not the file that the config expects: its sha256 is {found[name]}, "
                f"the config says {want}"
            )


def snapshot(repository: Repository, patterns: Sequence[str]) -> Snapshot:
    """Bring the files that match any of the patterns to this machine, unless they are in the cache.

    Raises:
        PolyheadError: the repository cannot be reached and the cache lacks files, or it has no such revision.
    """
    if repository.local:
        return Snapshot(repository, repository.local, None)
    with reaching(repository, " and ".join(patterns)):
        return _downloaded(repository, patterns, tqdm_class=progress())


def cached_snapshot(repository: Repository, patterns: Sequence[str]) -> Snapshot | None:
    """Return what earlier downloads left in the cache, if anything matches; no network is used."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = _downloaded(repository, patterns, local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    return found if found.matching(*patterns) else None


def _downloaded(repository: Repository, patterns: Sequence[str], **options: Any) -> Snapshot:
    from huggingface_hub import snapshot_download

    options |= {"repo_type": repository.repo_type, "revision": repository.revision}
    folder = Path(snapshot_download(repository.name, allow_patterns=list(patterns), **options))
    return Snapshot(repository, folder, folder.name)


@contextmanager
def reaching(repository: Repository, what: str) -> Iterator[None]:
    """Say in the user's words what was being fetched when the hub could not give it."""
    import httpx2
    from huggingface_hub.constants import ENDPOINT, HF_HOME

    try:
        yield
    except (OSError, httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        key = "model.repo" if repository.repo_type == "model" else "corpus.repo"
        raise PolyheadError(
            f"cannot fetch {what} of the {repository.repo_type} {repository} from {ENDPOINT}: {reason}\n"
            f"  Without a network: copy a cache that has it and point HF_HOME to it (now {HF_HOME}), "
            f"or write a local directory with the same files as {key} in the config."
        ) from error


def progress() -> type:
    """Return the hub's progress bar, writing to the process's own stderr wherever that has been sent."""
    from huggingface_hub.utils import tqdm

    class OnScreen(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            if sys.__stderr__ is None or not sys.__stderr__.isatty():
                options["mininterval"] = 10.0  # seconds between two states that no terminal redraws
            super().__init__(*args, **{**options, "file": sys.__stderr__})

    return OnScreen
