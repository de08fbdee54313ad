"""What a user can get wrong: what was wrong, the exit status, the one line shown.

Most cases call what the Snakefile and the scripts call, in this process; the last few run Snakemake itself.
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


@pytest.fixture
def study(tmp_path, model_dir, vocabulary, monkeypatch):
    """A working folder with a model, a corpus of 20 sequences of 32 tokens, and a config that is right."""
    monkeypatch.chdir(tmp_path)
    Path("model").symlink_to(model_dir)
    sequences = [[vocabulary.bos, *range(40, 71)]] * 20
    write_corpus("held_out", tokens=sequences, source=["a"] * 20, source_type=["code"] * 20)
    config = {"study": "bad", "model": "model", "corpus": {"path": "."}, "context": 32, "head": "1.2"}
    return config | {"ablation": {"templates": "templates.yaml", "tasks": []}}


def write_corpus(split, **columns):
    pq.write_table(pa.table(columns), f"{split}.parquet")


def load(config):
    """Read a config as the Snakefile does."""
    try:
        load_study(config)
    except PolyheadError as error:
        sys.exit(f"polyhead: {explain(error)}")


def ended(capsys, action, *arguments):
    """Do something; return the exit status and what the user would see, as one line."""
    try:
        action(*arguments)
    except SystemExit as end:
        return (end.code, capsys.readouterr().err) if isinstance(end.code, int) else (1, str(end.code))
    return 0, ""


def as_job(action, *arguments):
    """Do something as a script does."""
    with logged("rule", Path("job.log")):
        action(*arguments)


CONFIGS = [
    ("a key misspelt", {"hed": "1.2"}, "hed: unknown key; did you mean 'head'?"),
    (
        "a key in a section misspelt",
        {"ablation": {"method": []}},
        "ablation.method: unknown key; did you mean 'methods'?",
    ),
    ("no prompts", {"prompts": 0}, "prompts: 0 given; input should be greater than or equal to 1"),
    ("prompts in words", {"prompts": "many"}, "prompts: 'many' given"),
    ("half a prompt", {"prompts": 1.5}, "prompts: 1.5 given"),
    (
        "context longer than the model's",
        {"context": 65},
        "context: 65 given; the model model reads at most 64",
    ),
    ("context of one token", {"context": 1}, "context: 1 given; input should be greater than or equal to 2"),
    ("negative seed", {"seed": -1}, "seed: -1 given"),
    ("a head the model lacks", {"head": "9.9"}, "the model has no head 9.9; its heads are 0.0 to 1.2"),
    ("a head in words", {"head": "first"}, "head: 'first' is not a head"),
    ("no head", {"head": []}, "head: [] given"),
    ("a window of nothing", {"previous_window": 0}, "previous_window: 0 given"),
    ("a threshold of nothing", {"threshold": 0}, "threshold: 0 given; input should be greater than 0"),
    (
        "a threshold above one",
        {"threshold": 1.5},
        "threshold: 1.5 given; input should be less than or equal to 1",
    ),
    ("a threshold that is no number", {"threshold": "nan"}, "threshold: 'nan' given"),
    ("an unknown taxonomy", {"taxonomies": ["mine"]}, "taxonomies.0: 'mine' given"),
    ("an unknown ablation", {"ablation": {"methods": ["noise"]}}, "ablation.methods.0: 'noise' given"),
    ("too few bootstrap draws", {"bootstrap": 5}, "bootstrap: 5 given"),
    ("an empty shard", {"shard_prompts": 0}, "shard_prompts: 0 given"),
    ("a name that climbs", {"study": "../elsewhere"}, "study: '../elsewhere' given"),
    ("a name with a command", {"study": "$(touch pwned)"}, "study: '$(touch pwned)' given"),
    ("a name with a folder", {"study": "a/b"}, "study: 'a/b' given"),
    ("a name that hides", {"study": ".hidden"}, "study: '.hidden' given"),
    ("an endless name", {"study": "x" * 65}, "study: 'xxx"),
    (
        "a split that climbs",
        {"corpus": {"split": "../../etc/passwd"}},
        "corpus.split: '../../etc/passwd' given",
    ),
    ("a path with a pattern", {"model": "{head}"}, "'{head}' given; a path with braces"),
    ("a path that drives the terminal", {"model": "a\x1b[2J"}, r"'a\x1b[2J' given; a path with"),
    (
        "a model that is not there",
        {"model": "no/model"},
        "no/model/config.json is missing; a model directory holds",
    ),
    ("a split that is not there", {"corpus": {"path": ".", "split": "tran"}}, "splits found there: held_out"),
    ("templates that are not there", {"ablation": {"tasks": ["x"]}}, "config/templates.yaml does not exist"),
    ("a line of ten megabytes", {"study": "x" * 10**7}, "characters)"),
]


@pytest.mark.parametrize(
    ("change", "line"), [case[1:] for case in CONFIGS], ids=[case[0] for case in CONFIGS]
)
def test_a_bad_config_is_refused(study, capsys, change, line):
    assert ended(capsys, load, study) == (0, "")
    status, shown = ended(capsys, load, {**study, **change})
    assert status == 1
    assert line in shown
    assert shown.startswith(("polyhead: the config has 1 problem", "polyhead: model"))
    assert len(shown) < 1000
    assert not Path("pwned").exists()


def config_json(text):
    def change(study):
        copy = Path("copy")
        copy.mkdir()
        for path in Path("model").iterdir():
            (copy / path.name).symlink_to(path.resolve())
        (copy / "config.json").unlink()
        (copy / "config.json").write_text(text)
        return open_model, copy

    return change


def weights(text):
    def change(study):
        _, copy = config_json(Path("model/config.json").read_text())(study)
        (copy / "model.safetensors").unlink()
        (copy / "model.safetensors").write_bytes(text)
        return open_model, copy

    return change


def tokenizer(text):
    def change(study):
        Path("tokenizer.json").write_text(text)
        return open_vocabulary, Path("tokenizer.json")

    return change


def sample_from(split, *asked):
    return sample_prompts(open_split(split), *asked)


def corpus(**changes):
    def change(study):
        given = {
            "tokens": [[0, *range(40, 71)]] * 20,
            "source": ["a"] * 20,
            "source_type": ["code"] * 20,
        } | changes
        count = len(given["tokens"] or given["source"])
        columns = {key: values[:count] for key, values in given.items() if values is not None}
        write_corpus("other", **columns)
        return sample_from, "other.parquet", 10, 32, open_vocabulary("model/tokenizer.json"), 0

    return change


def broken_corpus(study):
    Path("other.parquet").write_text("<!DOCTYPE html><title>Log in to the guest network</title>")
    return sample_from, "other.parquet", 10, 32, open_vocabulary("model/tokenizer.json"), 0


def tasks_of(path, *asked):
    return all_filled(fill_tasks(read_templates(path), *asked))


def templates(text=None, task="t", **changes):
    def change(study):
        content = text or json.dumps({"templates": {"t": TEMPLATE | changes}})
        Path("templates.yaml").write_text(content)
        return tasks_of, "templates.yaml", [task], "model", 0

    return change


LONE_SURROGATE = (
    r'{templates: {t: {title: "\ud800", behaviour: [bos], prompts: 2, variants: [{lines: ["{a}"]}]}}}'
)
FILES = [
    ("a model's config.json cut short", config_json('{"n_layers": 2'), "config.json is damaged: not JSON"),
    (
        "a model's config.json without sizes",
        config_json("{}"),
        "config.json of the model has none of n_layers",
    ),
    ("weights cut short", weights(b"\x10\0\0\0"), "cannot read copy/model.safetensors"),
    (
        "a login page instead of weights",
        weights(b"<!DOCTYPE html>" * 99),
        "cannot read copy/model.safetensors",
    ),
    (
        "a login page instead of a tokenizer",
        tokenizer("<!DOCTYPE html>"),
        "cannot read the tokenizer tokenizer.json",
    ),
    (
        "a tokenizer without BOS",
        tokenizer('{"model": {"type": "BPE", "vocab": {}, "merges": []}}'),
        "no BOS token",
    ),
    ("a login page instead of a corpus", broken_corpus, "cannot read the corpus split other.parquet"),
    (
        "fewer sequences than prompts",
        corpus(tokens=[[0, *range(31)]] * 9),
        "prompts: 10 asked for; other.parquet has 9",
    ),
    (
        "sequences shorter than the context",
        corpus(tokens=[[0, 1]] * 20),
        "a sequence has 2 tokens; context: 32 was asked",
    ),
    (
        "sequences of another tokenizer",
        corpus(tokens=[[0, *[9999] * 31]] * 20),
        "token 9999 is in the sequences",
    ),
    ("sequences without BOS", corpus(tokens=[[7] * 32] * 20), "does not begin with BOS"),
    ("a corpus without tokens", corpus(tokens=None), "other.parquet has no 'tokens'"),
    ("templates that are no YAML", templates("a: [b"), "cannot read the templates templates.yaml"),
    (
        "templates that run a command",
        templates("!!python/object/apply:os.system ['touch pwned']"),
        "cannot read the t",
    ),
    ("a template nobody wrote", templates(task="s"), "no template 's'; there are t"),
    ("an answer that is missing", templates(variants=[{"lines": ["{destination}"]}]), "must end in {answer}"),
    (
        "a word of many tokens",
        templates(slots={"destination, source, answer": ["zyzzyva"]}),
        "is not one token",
    ),
    ("half a surrogate pair in a template", templates(LONE_SURROGATE), "the templates templates.yaml"),
    (
        "ten megabytes in a line",
        templates(variants=[{"lines": ["x" * 10**7]}]),
        "must be in the text exactly once",
    ),
]


@pytest.mark.parametrize(("change", "line"), [case[1:] for case in FILES], ids=[case[0] for case in FILES])
def test_a_bad_file_is_refused(study, capsys, change, line):
    action, *arguments = change(study)
    status, shown = ended(capsys, as_job, action, *arguments)
    assert status == 1
    assert shown.startswith("rule: ")
    assert line in shown
    assert "Traceback" not in shown
    assert len(shown) < 1500
    assert not Path("pwned").exists()


COMMANDS = [
    ("a misspelt key", ["--config", "hed=1.2"], "hed: unknown key; did you mean 'head'?"),
    ("a config file that runs a command", ["--configfile", "hostile.yaml"], "is not valid JSON or YAML"),
    ("a study in the name of a command", ["--config", "study=`touch pwned`"], "study: '`touch pwned`' given"),
]


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("arguments", "line"), [case[1:] for case in COMMANDS], ids=[case[0] for case in COMMANDS]
)
def test_a_bad_command_is_refused(empty, arguments, line):
    (empty.folder / "hostile.yaml").write_text("study: !!python/object/apply:os.system ['touch pwned']\n")
    shown = empty.run(*arguments, status=1)
    assert line in shown
    assert "Traceback" not in shown
    assert not (empty.folder / "pwned").exists()
    assert not (empty.folder / "results").exists()


@pytest.mark.workflow
def test_templates_that_cannot_be_filled_end_the_study_before_the_model_runs(empty):
    words = {"zyzzyva": TEMPLATE | {"slots": {"destination, source, answer": ["zyzzyva"]}}}
    (empty.folder / "mine.yaml").write_text(json.dumps({"templates": words | {"other": TEMPLATE}}))
    tasks = "ablation={templates: mine.yaml, tasks: [zyzzyva, missing]}"
    shown = empty.run("--config", tasks, status=1)
    assert "fill_templates: template 'zyzzyva' cannot be filled" in shown
    assert "no template 'missing'; there are other, zyzzyva" in shown
    assert "none can be filled with this tokenizer's words; ablation: {tasks: []} leaves them out" in shown
    assert "Traceback" not in shown
    assert not list(empty.folder.rglob("rows/*.parquet"))
