"""Validate archives of studies against the Workflow Run Crate profile, without a network.

    python -m venv <folder> && <folder>/bin/pip install -r envs/crate-validator.lock
    <folder>/bin/python .ci/validate_crate.py results/smoke/archive/smoke.zip

`tests/workflow/test_archive.py` does this.

The validator wants the JSON-LD context of RO-Crate from the web; the package rocrate has a copy of it.
It is in an environment of its own, since it asks for an older rich than this project does.
"""

import io
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
NEWER = (b"https://bioschemas.org/terms/", b"https://bioschemas.org/")
"""The copy is of a later version, in which the names of Bioschemas moved; the profile has those of 1.1."""
PROFILE = "workflow-run-crate"


class Kept(HTTPAdapter):
    """Answers with the copy of the context that the package rocrate has."""

    def send(self, request, **_):
        """Answer as the web would."""
        content = (files("rocrate") / "data" / "ro-crate.jsonld").read_bytes().replace(*NEWER)
        headers = {"Content-Type": "application/ld+json"}
        answer = HTTPResponse(body=io.BytesIO(content), headers=headers, status=200, preload_content=False)
        return self.build_response(request, answer)


def fill_cache(path: Path) -> None:
    """Put the context into the validator's cache, as if it had been fetched."""
    session = CachedSession(str(path), backend="sqlite", expire_after=-1)
    session.mount(CONTEXT, Kept())
    session.get(CONTEXT)
    session.close()


def main(crates: list[str]) -> int:
    """Validate; return the number of archives that are not valid."""
    validator = Path(sys.executable).with_name("rocrate-validator")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        fill_cache(cache)
        for crate in crates:
            command = [validator, "validate", "--offline", "--cache-path", cache, "--no-paging", "-v"]
            failed += subprocess.run([*command, "-p", PROFILE, crate], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
