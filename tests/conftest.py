"""Shape checks on, and a tiny model directory that anyone can open."""

import os

from jaxtyping import install_import_hook

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one test process per core; before torch is imported

install_import_hook("polyhead", "beartype.beartype")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from toy_templates import words  # noqa: E402, F401
from toys import VOCABULARY, random_state, toy_tokenizer, write_model  # noqa: E402


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


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory, tokenizer_path):
    """A random attention-only model: 2 layers × 3 heads, context 64, biases everywhere."""
    folder = tmp_path_factory.mktemp("model")
    sizes = {"n_layers": 2, "n_heads": 3, "d_model": 24, "d_head": 8, "n_ctx": 64, "d_vocab": VOCABULARY}
    return write_model(folder, random_state(**sizes, seed=1), sizes, tokenizer_path)


@pytest.fixture(scope="session")
def prompts(vocabulary):
    """Six prompts of 48 tokens: skewed, so that tokens repeat; BOS first, some EOS, some indents."""
    rng = np.random.default_rng(5)
    frequent = [vocabulary.eos, *np.flatnonzero(vocabulary.breaks)[:4], *range(40, 60)]
    drawn = rng.choice(frequent, (6, 48)).astype(np.int32)
    drawn[:, 0] = vocabulary.bos
    return drawn
