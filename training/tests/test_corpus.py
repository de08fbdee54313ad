from dataclasses import replace
from email.message import Message
from pathlib import Path

import numpy as np
import pytest
from recipes import changed

from training.corpus import Document, docstrings, is_foreign, looks_like_data
from training.duplicates import alike, grouped, splits, without_duplicates
from training.licences import is_permissive, licence_of


def document(text, path="package/module.py", source_type="code", parent=None):
    return Document("package", "1.0", path, "MIT", source_type, text, parent)


@pytest.fixture(scope="module")
def recipe(shipped_recipe):
    return shipped_recipe.corpus


def metadata(expression=None, text=None, classifiers=()):
    message = Message()
    for name, value in (("License-Expression", expression), ("License", text)):
        if value is not None:
            message[name] = value
    for classifier in classifiers:
        message["Classifier"] = f"License :: OSI Approved :: {classifier}"
    return message


@pytest.mark.parametrize(
    ("given", "licence"),
    [
        (metadata(expression="MIT"), "MIT"),
        (metadata(expression="MIT AND (Apache-2.0 OR BSD-3-Clause)"), "MIT AND (Apache-2.0 OR BSD-3-Clause)"),
        (metadata(expression="MIT AND LGPL-2.1-only"), None),
        (metadata(text="Apache 2.0 License"), "Apache-2.0"),
        (metadata(text="A long licence text of unknown kind"), None),
        (metadata(text="see file", classifiers=["BSD License"]), "BSD-3-Clause"),
        (metadata(classifiers=["MIT License", "Mozilla Public License 2.0 (MPL 2.0)"]), None),
        (metadata(classifiers=["GNU General Public License (GPL)"], text="BSD"), None),
        (metadata(text="MPL-2.0 AND MIT"), None),
        (metadata(), None),
    ],
)
def test_a_licence_is_taken_only_if_all_of_it_is_permissive(given, licence):
    assert licence_of(given) == licence
    assert not is_permissive("")


def test_the_split_depends_on_content_alone():
    texts = [f"text number {number}" for number in range(2000)]
    alone = np.arange(2000)
    found = splits([document(text) for text in texts], alone, 25)
    assert found == splits([document(text, "elsewhere.md", "prose") for text in texts], alone, 25)
    assert 0.02 < found.count("held_out") / len(found) < 0.06


def test_a_cluster_goes_whole_to_the_split_of_its_smallest_hash_in_any_order():
    documents = [document(f"text number {number}") for number in range(300)]
    of = np.arange(300) // 3 * 3
    found = splits(documents, of, 4)
    assert all(len(set(found[first : first + 3])) == 1 for first in range(0, 300, 3))
    assert set(found) == {"train", "held_out"}
    assert splits(documents[::-1], of[::-1], 4) == found[::-1]
    smallest = [min(one.sha256 for one in documents[first : first + 3]) for first in range(0, 300, 3)]
    assert found[::3] == ["train" if int(name[:12], 16) % 4 else "held_out" for name in smallest]


def test_a_long_docstring_is_prose_beside_its_module():
    story = "A long story, told in words.\n" * 50
    module = document(f'x = 1\n\n\ndef f():\n    # said above\n\n    """{story}"""\n    return 1\n')
    (found,) = docstrings(module)
    assert (found.source_type, found.path, found.parent) == ("prose", "package/module.py#L7", module.sha256)
    assert found.text.strip() == story.strip()


def test_docstrings_of_module_class_and_raw_strings_are_found_with_their_indentation_taken_off():
    story = "\n".join("    A long story, told in words." for _ in range(50))
    module = document(f"r'''Module.\n\n{story}'''\nclass A(B):  # why\n    \"\"\"Class.\n\n{story}\"\"\"\n")
    found = list(docstrings(module))
    assert [one.text.split("\n")[0] for one in found] == ["Module.", "Class."]
    assert all(one.text.split("\n")[2] == "A long story, told in words." for one in found)


def test_strings_that_are_values_and_documents_of_prose_have_no_docstrings():
    story = "A long story, told in words.\n" * 50
    assert list(docstrings(document(f'x = 1\nSTORY = """{story}"""\n'))) == []
    assert list(docstrings(document(f'"""{story}"""', source_type="prose"))) == []


LINES = [f"value_{number} = compute({number}, name)" for number in range(200)]


def test_copies_and_near_copies_are_dropped_and_others_stay():
    original = "\n".join(LINES)
    copy = document(original, path="copy.py")
    edited = document("\n".join([*LINES[:100], "changed = True", *LINES[101:]]))
    other = document("\n".join(line.replace("compute", "measure") for line in LINES))
    kept = without_duplicates([document(original), copy, edited, other], 0.7, 64)
    assert [one.document.text for one in kept] == [original, other.text]


def test_a_docstring_is_dropped_with_its_module():
    original = document("\n".join(LINES))
    copy = document("\n".join([*LINES, "last = True"]), path="copy.py")
    story = document("Another text, of its own.\n" * 20, source_type="prose", parent=copy.sha256)
    kept = without_duplicates([original, copy, story], 0.7, 64)
    assert [one.document for one in kept] == [original]


def related(share, name):
    """Return a document that shares the first lines with `LINES` and goes on in its own way."""
    own = [line.replace("compute", name) for line in LINES[int(share * len(LINES)) :]]
    return document("\n".join([*LINES[: int(share * len(LINES))], *own]), path=f"{name}.py")


def test_documents_that_are_alike_are_paired_and_others_are_not():
    kept = without_duplicates([document("\n".join(LINES)), related(0.7, "b"), related(0.2, "c")], 0.7, 64)
    assert list(alike(kept, 0.4, 64)) == [(0, 1)]  # 0.7 of the lines shared: a Jaccard index of 0.54


def test_a_cluster_is_a_chain_of_likeness_and_a_docstring_is_in_that_of_its_module(recipe):
    first, middle, alone = document("\n".join(LINES)), related(0.7, "b"), related(0.0, "d")
    last = document("\n".join([*middle.text.split("\n")[60:], *(f"end_{k} = {k}" for k in range(60))]))
    story = document("Told in words.\n" * 90, source_type="prose", parent=alone.sha256)
    kept = without_duplicates([first, alone, last, middle, story], 0.7, 64)
    pairs = list(alike(kept, 0.4, 64))
    assert (0, 2) not in pairs  # first and last are linked by the one in the middle alone
    documents, clusters = grouped(kept, recipe)
    assert documents == [one.document for one in kept]
    assert clusters.tolist() == [0, 1, 0, 0, 1]


def test_an_old_document_takes_the_split_of_its_newer_relatives_and_changes_none(recipe):
    new = document("\n".join(LINES))
    names = [f"other_{number}" for number in range(60)]
    old = [replace(related(0.7, name), old=True) for name in names]
    kept = without_duplicates([new, *old], 0.75, 64)
    documents, clusters = grouped(kept, recipe)
    (alone,) = splits([new], np.zeros(1, dtype=int), 2)
    related_to_new = [one for one, cluster in zip(documents, clusters, strict=True) if cluster == 0]
    assert len(related_to_new) > 10
    assert set(splits(related_to_new, np.zeros(len(related_to_new), dtype=int), 2)) == {alone}


def test_an_old_document_that_would_join_both_splits_is_left_out(recipe):
    """Its first half is that of one newer document, its second that of another, of the other split."""
    halves = [[f"{name}_{number} = make({number})" for number in range(100)] for name in "abcdefghij"]
    newer = [document("\n".join(half)) for half in halves]
    of = splits(newer, np.arange(10), 2)
    one, two = of.index("train"), of.index("held_out")
    bridge = replace(document("\n".join(halves[one] + halves[two])), old=True)
    kept = without_duplicates([*newer, bridge], 0.9, 64)
    documents, clusters = grouped(kept, changed(recipe, held_out_one_in=2))
    assert len(kept) == 11
    assert documents == newer
    assert clusters.tolist() == list(range(10))


@pytest.mark.parametrize(
    "text",
    [
        "# Autogenerated by a tool\n" + "name = value\n" * 50,
        "\n".join("0x1f, 0x22, 1234, 5678, 91011," for _ in range(100)),
        "table = '" + "abc " * 500 + "'",
        "日本語の文章" * 100,
    ],
)
def test_data_is_recognised(text):
    assert looks_like_data(text)
    assert not looks_like_data(Path(__file__).read_text(encoding="utf-8").split("0x1f")[0])


@pytest.mark.parametrize(
    "foreign",
    [
        document("x = 1", path="package/_vendor/other.py"),
        document("Permission is hereby granted", path="package-1.0.dist-info/licenses/LICENSE.txt"),
        document("# This file is under the GNU General Public License\nx = 1"),
    ],
)
def test_bundled_legal_and_copyleft_texts_are_left_out(foreign):
    assert is_foreign(foreign)
    assert not is_foreign(document("import os"))
