"""What a user can get wrong: what was wrong, the exit status, the one line shown.

Most cases call what the Snakefile and the scripts call, in this process; the last few run Snakemake itself.
What the config's schema refuses is in tests/unit/test_config.py.
"""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyhead.config import load_study
from polyhead.errors import PolyheadError, explain
from polyhead.model.opening import open_model
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.parts import open_split
from polyhead.prompts.sampling import sample_prompts
from polyhead.prompts.templates import all_filled, fill_tasks, read_templates

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))
from stage import logged  # noqa: E402

TEMPLATE = {
    "title": "t",
    "behaviour": ["previous"],
    "prompts": 2,
    "slots": {"destination, source": ["value"], "answer": ["name", "width"]},
    "variants": [{"lines": ["{source} {destination} {answer}"]}],
}
LOGIN = b"<!DOCTYPE html><title>Log in to the guest network</title>" * 9


def write_corpus(name, **columns):
    pq.write_table(pa.table(columns), f"{name}.parquet")


@pytest.fixture
def study(tmp_path, model_dir, vocabulary, monkeypatch):
    """A working folder with a model, a corpus of 20 sequences of 32 tokens, and a config that is right."""
    monkeypatch.chdir(tmp_path)
    Path("model").symlink_to(model_dir)
    sequences = [[vocabulary.bos, *range(40, 71)]] * 20
    write_corpus("held_out", tokens=sequences, source=["a"] * 20, source_type=["code"] * 20)
    config = {"study": "bad", "model": "model", "corpus": {"path": "."}, "context": 32, "head": "1.2"}
    return config | {"ablation": {"templates": "templates.yaml", "tasks": []}}


def load(config):
    """Read a config as the Snakefile does."""
    try:
        load_study(config)
    except PolyheadError as error:
        sys.exit(f"polyhead: {explain(error)}")


def as_job(action, *arguments):
    """Do something as a script does."""
    with logged("rule", Path("job.log")):
        action(*arguments)


def ended(capsys, action, *arguments):
    """Do something; return the exit status and what the user would see, as one line."""
    try:
        action(*arguments)
    except SystemExit as end:
        return (end.code, capsys.readouterr().err) if isinstance(end.code, int) else (1, str(end.code))
    return 0, ""


CONFIGS = {
    "a key misspelt": ({"hed": "1.2"}, "hed: unknown key; did you mean 'head'?"),
    "a context longer than the model's": (
        {"context": 65},
        "context: 65 given; the model model reads at most",
    ),
    "a name that climbs": (
        {"study": "../elsewhere"},
        "given; up to 64 letters, digits",
    ),
    "a name with a command": ({"study": "$(touch pwned)"}, "study: '$(touch pwned)' given"),
    "an endless name": ({"study": "x" * 65}, "study: 'xxx"),
    "ten megabytes in a name": ({"study": "x" * 10**7}, "characters)"),
    "a split that climbs": ({"corpus": {"split": "../../x"}}, "corpus.split: '../../x' given"),
    "a split that is not there": ({"corpus": {"path": ".", "split": "tran"}}, "splits found there: held_out"),
    "a path with a pattern": ({"model": "{head}"}, "'{head}' given; a path with braces"),
    "a path that drives the terminal": ({"model": "a\x1b[2J"}, r"'a\x1b[2J' given; a path with"),
    "a model that is not there": (
        {"model": "no/model"},
        "polyhead: model 'no/model' does not exist; a model is a folder with config.json",
    ),
    "templates that are not there": ({"ablation": {"tasks": ["x"]}}, "config/templates.yaml does not exist"),
}


@pytest.mark.parametrize(("change", "line"), CONFIGS.values(), ids=CONFIGS)
def test_a_bad_config_is_refused(study, capsys, change, line):
    assert ended(capsys, load, study) == (0, "")
    status, shown = ended(capsys, load, {**study, **change})
    assert status == 1
    assert line in shown
    assert shown.startswith(("polyhead: the config has 1 problem", "polyhead: model"))
    assert "\x1b" not in shown
    assert len(shown) < 1000


def model_with(name, content):
    """Open a copy of the model in which one file has another content."""
    folder = Path("copy")
    folder.mkdir()
    for path in Path("model").iterdir():
        (folder / path.name).symlink_to(path.resolve())
    (folder / name).unlink()
    (folder / name).write_bytes(content)
    open_model(folder)


def tokenizer(content):
    Path("tokenizer.json").write_bytes(content)
    open_vocabulary("tokenizer.json")


def corpus(**columns):
    """Sample prompts from a corpus that is right but for these columns."""
    given = {
        "tokens": [[0, *range(40, 71)]] * 20,
        "source": ["a"] * 20,
        "source_type": ["code"] * 20,
    } | columns
    count = len(given["tokens"] or given["source"])
    write_corpus("other", **{key: values[:count] for key, values in given.items() if values is not None})
    sampled()


def sampled(content=None):
    if content:
        Path("other.parquet").write_bytes(content)
    sample_prompts(open_split("other.parquet"), 10, 32, open_vocabulary("model/tokenizer.json"), 0)


def templates(text=None, **changes):
    Path("templates.yaml").write_text(text or json.dumps({"templates": {"t": TEMPLATE | changes}}))
    all_filled(fill_tasks(read_templates("templates.yaml"), ["t"], "model", 0))


LONE_SURROGATE = (
    r'{templates: {t: {title: "\ud800", behaviour: [bos], prompts: 2, variants: [{lines: ["{a}"]}]}}}'
)
NO_BOS = b'{"model": {"type": "BPE", "vocab": {}, "merges": []}}'
RUNS_A_COMMAND = "!!python/object/apply:os.system ['touch pwned']"
MANY_TOKENS = {"slots": {"destination, source, answer": ["zyzzyva"]}}
FILES = [
    (lambda: model_with("config.json", b'{"n_layers": 2'), "config.json is damaged: not JSON"),
    (lambda: model_with("config.json", b"{}"), "config.json of the model has none of n_layers"),
    (lambda: model_with("model.safetensors", LOGIN), "cannot read copy/model.safetensors"),
    (lambda: tokenizer(LOGIN), "cannot read the tokenizer tokenizer.json"),
    (lambda: tokenizer(NO_BOS), "no BOS token"),
    (lambda: sampled(LOGIN), "cannot read the corpus split other.parquet"),
    (lambda: corpus(tokens=[[0, *range(31)]] * 9), "prompts: 10 asked for; other.parquet has 9"),
    (lambda: corpus(tokens=[[0, 1]] * 20), "a sequence has 2 tokens; context: 32 was asked"),
    (lambda: corpus(tokens=[[0, *[9999] * 31]] * 20), "token 9999 is in the sequences"),
    (lambda: corpus(tokens=[[7] * 32] * 20), "does not begin with BOS"),
    (lambda: corpus(tokens=None), "other.parquet has no 'tokens'"),
    (lambda: templates("a: [b"), "cannot read the templates templates.yaml"),
    (lambda: templates(RUNS_A_COMMAND), "cannot read the t"),
    (lambda: templates(**MANY_TOKENS), "is not one token"),
    (lambda: templates(LONE_SURROGATE), "the templates templates.yaml"),
    (lambda: templates(variants=[{"lines": ["x" * 10**7]}]), "must be in the text exactly once"),
]


@pytest.mark.parametrize(("action", "line"), FILES, ids=[line for _, line in FILES])
def test_a_bad_file_is_refused(study, capsys, action, line):
    status, shown = ended(capsys, as_job, action)
    assert status == 1
    assert shown.startswith("rule: ")
    assert line in shown
    assert "Traceback" not in shown
    assert len(shown) < 1500
    assert not Path("pwned").exists()


COMMANDS = [
    (["--configfile", "hostile.yaml"], "is not valid JSON or YAML"),
    (["--config", "study=`touch pwned`"], "study: '`touch pwned`' given"),
]


@pytest.mark.workflow
@pytest.mark.parametrize(("arguments", "line"), COMMANDS, ids=["config file", "study"])
def test_a_bad_command_is_refused(empty, arguments, line):
    (empty.folder / "hostile.yaml").write_text(f"study: {RUNS_A_COMMAND}\n")
    shown = empty.run(*arguments, status=1)
    assert line in shown
    assert "Traceback" not in shown
    assert not (empty.folder / "pwned").exists()
    assert not (empty.folder / "results").exists()


@pytest.mark.workflow
def test_templates_that_cannot_be_filled_end_the_study_before_the_model_runs(empty):
    words = {"zyzzyva": TEMPLATE | MANY_TOKENS}
    (empty.folder / "mine.yaml").write_text(json.dumps({"templates": words | {"other": TEMPLATE}}))
    tasks = "ablation={templates: mine.yaml, tasks: [zyzzyva, missing]}"
    shown = empty.run("--config", tasks, status=1)
    assert "fill_templates: template 'zyzzyva' cannot be filled" in shown
    assert "no template 'missing'; there are other, zyzzyva" in shown
    assert "none can be filled with this tokenizer's words; ablation: {tasks: []} leaves them out" in shown
    assert "Traceback" not in shown
    assert not list(empty.folder.rglob("rows/*.parquet"))
