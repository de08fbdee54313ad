"""The packages of the corpus: wheels that pip downloads as pinned, read without being installed.

Nothing depends on what is installed here, nor on the platform or Python that runs this: the same files, known
by their hashes, give the same texts everywhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from polyhead.errors import PolyheadError
from polyhead.files import sha256
from polyhead.model.packages import pip_download

PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: cp(\d)(\d+))? --hash=sha256:([0-9a-f]{64})$")
PLATFORMS = (
    *(f"manylinux{version}_x86_64" for version in ("_2_28", "_2_27", "_2_17", "2014", "1")),
    "macosx_14_0_arm64",
    "any",
)
"""Platforms of the pinned wheels: of a package that has several, the hash says which is meant."""


@dataclass(frozen=True)
class Pin:
    """One package of the corpus: name, version, the Python that its wheel is for, and the wheel's SHA-256."""

    name: str
    version: str
    sha256: str
    python: str = "3.13"


def read_pins(lock: Path) -> list[Pin]:
    """Return the packages that a lock file names, sorted by name.

    Raises:
        PolyheadError: the file is missing, or a line is not `name==version --hash=sha256:…`.
    """
    if not lock.is_file():
        raise PolyheadError(f"{lock}: the lock file that names the corpus's packages is missing")
    lines = [line.strip() for line in lock.read_text(encoding="utf-8").splitlines()]
    pins = []
    for line in (line for line in lines if line and not line.startswith("#")):
        if not (found := PIN.match(line)):
            raise PolyheadError(f"{lock}: {line!r} is not of the form name==version [cp36] --hash=sha256:…")
        name, version, major, minor, hashed = found.groups()
        pins.append(Pin(name, version, hashed, *([f"{major}.{minor}"] if major else [])))
    return sorted(pins, key=lambda pin: pin.name.lower())


def download(lock: Path, folder: Path) -> None:
    """Let pip download the wheels of a lock file, one by one; one whose hash differs makes it fail.

    Raises:
        PolyheadError: pip failed; the message ends with its last line.
    """
    for pin in read_pins(lock):
        with TemporaryDirectory() as scratch:
            line = Path(scratch, "requirement")
            line.write_text(f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}\n", encoding="utf-8")
            arguments = ["--require-hashes", *_target(pin.python), "--requirement", str(line)]
            pip_download(arguments, folder, f"{pin.name} {pin.version} of {lock}")


def _target(python: str) -> list[str]:
    tag = f"cp{python.replace('.', '')}"
    abis = (f"--abi={abi}" for abi in (tag, f"{tag}m", f"{tag}mu", "abi3", "none"))
    return [
        f"--python-version={python}",
        "--implementation=cp",
        *abis,
        *map("--platform={}".format, PLATFORMS),
    ]


def find_wheels(pins: list[Pin], folder: Path) -> list[Path]:
    """Return the wheel of each pin, found by its hash whatever the file is called.

    Raises:
        PolyheadError: a wheel is missing, or is not the one pinned.
    """
    here = {sha256(path): path for path in folder.glob("*.whl")}
    missing = [f"{pin.name} {pin.version}" for pin in pins if pin.sha256 not in here]
    if missing:
        raise PolyheadError(f"{folder} lacks the pinned wheels of {', '.join(missing)}")
    return [here[pin.sha256] for pin in pins]


def read_metadata(wheel: ZipFile) -> Message:
    """Return a wheel's metadata; its payload is the package's long description."""
    (name,) = (name for name in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
    return message_from_string(wheel.read(name).decode("utf-8"))


def read_texts(wheel: ZipFile, suffixes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield path and text of a wheel's files with one of the suffixes, by path; only what is UTF-8.

    Newlines come out plain.
    """
    for name in sorted(wheel.namelist()):
        if name.endswith(suffixes):
            try:
                yield name, wheel.read(name).decode("utf-8").replace("\r\n", "\n")
            except UnicodeDecodeError:
                continue
