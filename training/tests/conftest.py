"""Shape checks on, and the toys of the library's tests."""

import os
import sys
from pathlib import Path

from jaxtyping import install_import_hook

os.environ.setdefault("OMP_NUM_THREADS", "1")  # matrices this small are slower on several threads

install_import_hook(["polyhead", "training"], "beartype.beartype")
sys.path.append(str(Path(__file__).parents[2] / "tests"))

import pytest  # noqa: E402
from recipes import RECIPE  # noqa: E402
from toys import toy_tokenizer  # noqa: E402


@pytest.fixture(scope="session")
def shipped_recipe():
    from training.recipe import load_recipe

    return load_recipe(RECIPE)


@pytest.fixture(scope="session")
def tokenizer_path(tmp_path_factory):
    """A byte-level BPE of a few hundred tokens, among them newline + indent tokens."""
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    toy_tokenizer().save(str(path))
    return path


@pytest.fixture(scope="session")
def vocabulary(tokenizer_path):
    from polyhead.model.vocabulary import open_vocabulary

    return open_vocabulary(tokenizer_path)
