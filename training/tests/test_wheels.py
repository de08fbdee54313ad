import hashlib
from zipfile import ZipFile

import pytest
from recipes import RECIPE

from polyhead.errors import PolyheadError
from training.corpus import read_documents
from training.wheels import find_wheels, read_pins

CODE = "def double(number):\n    return 2 * number\n" * 10


def write_wheel(folder, name, licence, **files):
    """Write a wheel with a long description, and return its line of the lock file."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    description = "Words that describe the package, more of them than of anything else.\n" * 5
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nLicense-Expression: {licence}\n\n"
    with ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", metadata + description)
        for file, content in files.items():
            wheel.writestr(file.replace("__", "/").replace("_py", ".py"), content)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def corpus(tmp_path):
    """A lock file of two packages, one of them copyleft, and their wheels."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    free = write_wheel(
        folder, "free", "MIT", free__b_py=CODE, free__a_py="# ä\r\n" + CODE, free__data_bin=b"\0"
    )
    bound = write_wheel(folder, "bound", "GPL-3.0-only", bound__a_py=CODE + "x = 1\n")
    lock = tmp_path / "corpus.lock"
    lock.write_text("# a comment\n" + free + bound)
    return lock, folder


@pytest.fixture
def read(corpus, shipped_recipe):
    """What is read of the two packages, and of old ones that a second lock names."""
    lock, folder = corpus
    old = lock.with_name("old.lock")
    old.touch()
    return lambda: list(read_documents([lock, old], folder, shipped_recipe.corpus))


def test_texts_of_permissive_wheels_are_read_in_order_without_installing_them(read):
    found = read()
    assert [(one.package, one.path, one.source_type) for one in found] == [
        ("free", "METADATA", "prose"),
        ("free", "free/a.py", "code"),
        ("free", "free/b.py", "code"),
    ]
    assert found[1].text == "# ä\n" + CODE
    assert found[0].text.startswith("Words that describe")


def test_a_wheel_is_known_by_its_hash_whatever_it_is_called(corpus):
    lock, folder = corpus
    (folder / "free-1.0-py3-none-any.whl").rename(folder / "renamed.whl")
    assert [path.name for path in find_wheels(read_pins(lock), folder)] == [
        "bound-1.0-py3-none-any.whl",
        "renamed.whl",
    ]


def test_a_wheel_that_was_changed_is_refused(corpus):
    lock, folder = corpus
    with ZipFile(folder / "free-1.0-py3-none-any.whl", "a") as wheel:
        wheel.writestr("free/more.py", CODE)
    with pytest.raises(PolyheadError, match=r"lacks the pinned wheels of free 1\.0"):
        find_wheels(read_pins(lock), folder)


def test_a_line_without_a_hash_is_refused(tmp_path):
    lock = tmp_path / "corpus.lock"
    lock.write_text("free==1.0\n")
    with pytest.raises(PolyheadError, match=r"'free==1\.0' is not of the form"):
        read_pins(lock)
    with pytest.raises(PolyheadError, match="is missing"):
        read_pins(tmp_path / "absent.lock")


@pytest.mark.parametrize(("lock", "least"), [("corpus.lock", 50), ("corpus-2019.lock", 30)])
def test_the_shipped_lists_pin_every_package_once(lock, least):
    pins = read_pins(RECIPE.with_name(lock))
    assert len({pin.name for pin in pins}) == len({pin.sha256 for pin in pins}) == len(pins) > least


def test_old_packages_are_read_last_and_said_to_be_old(corpus, read):
    lock, folder = corpus
    old = lock.with_name("old.lock")
    old.write_text(write_wheel(folder, "aged", "MIT", aged__a_py=CODE).replace(" --hash", " cp36 --hash"))
    assert [pin.python for pin in read_pins(old)] == ["3.6"]
    assert [(one.package, one.old) for one in read()] == [("free", False)] * 3 + [("aged", True)] * 2
