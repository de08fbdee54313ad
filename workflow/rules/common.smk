# In:  the merged config.
# Out: STUDY (checked config), SOURCE (where its model is fetched from, if it is), OUT (results/<study>), HEAD (the
#      folder of a head) and helpers for the rules' files. No rules.
import gc
import hashlib
import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path

import grimp
from snakemake.io import strip_wildcard_constraints

from polyhead.config import load_study, made_with, model_source
from polyhead.errors import PolyheadError, explain

BASE = Path(workflow.basedir)
sys.path.append(str(BASE / "workflow"))
from progress import show
from running import claim, forget_killed_runs

# What was imported by now stays. Python need not search it for garbage, which is a fifth of a plan's time.
gc.freeze()

try:
    STUDY = load_study(config, workflow.basedir)
    SOURCE = model_source(config, workflow.basedir)
except PolyheadError as error:
    read = [f"\n  {path.absolute()} is part of the config" for path in OWN]
    sys.exit("".join([f"polyhead: {explain(error)}", *read]))

OUT = f"results/{STUDY.study}"
HEAD = f"{OUT}/heads/{{head}}"
HEADS = STUDY.head
GIVEN = config.get("head") != "auto"  # by hand
MAIN_HEAD = HEADS[0] if HEADS else None  # none as long as `head: auto` has not been answered
SHARDS = [f"{first:06d}" for first in range(0, STUDY.prompts, STUDY.shard_prompts)]
TASKS = STUDY.ablation.tasks
MADE_WITH = made_with(STUDY)  # tokenizer that the corpus was made with, where it has to be made anew
ASKED_FOR = ("archive",)  # rules that `all` does not make
GPU = 1 if STUDY.device == "cuda" else 0  # of a job that runs the model; "auto" takes what there is


wildcard_constraints:
    head=r"\d+\.\d+",
    shard=r"\d+",
    task="[A-Za-z0-9_-]+",


def made():
    """What the rules that are there by now make of the study: for all heads, shards, tasks and taxonomies.

    Every file is asked for by name. Otherwise, where a job fails or is killed after its old output was removed, and
    no target names that output, Snakemake keeps what was made from the old one and has nothing to do.
    """
    values = {"head": HEADS, "shard": SHARDS, "task": TASKS, "taxonomy": STUDY.taxonomies}
    asked = [rule_ for rule_ in workflow.rules if rule_.name not in ASKED_FOR]
    files = [file for rule_ in asked for file in rule_.output if file.startswith(f"{OUT}/")]
    wanted = [{name: values[name] for name in file.get_wildcard_names()} for file in files]
    return [
        each
        for file, choices in zip(files, wanted)
        for each in expand(strip_wildcard_constraints(file), **choices)
    ]


def model_files():
    """The files of the study's model; one that was fetched has two more."""
    more = ("tokenizer_config.json", "source.json") if SOURCE else ()
    return [f"{STUDY.model}/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json", *more)]


def listing(folder):
    """A digest of the names, sizes and times of a folder's files: Snakemake looks at a folder's own time only."""
    if not folder or not Path(folder).is_dir():
        return None
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def split_files(split):
    """A split of the corpus as a file; none where prompts are drawn from a data set in parts."""
    if STUDY.corpus.text or MADE_WITH:
        return [f"{OUT}/corpus/{split}.parquet"]
    return [] if STUDY.corpus.repo else [f"{STUDY.corpus.path}/{split}.parquet"]


def checkout(name):
    """A file of this checkout, as seen from the working directory."""
    return os.path.relpath(BASE / name)


def checkout_files(folder, pattern="*"):
    """The files of a folder of this checkout."""
    return sorted(checkout(path) for path in (BASE / folder).glob(pattern) if path.is_file())


IMPORTS = grimp.build_graph("polyhead", cache_dir=None, exclude_type_checking_imports=True)
for each in IMPORTS.find_modules_directly_imported_by("polyhead"):  # on first use only (PEP 562)
    IMPORTS.remove_import(importer="polyhead", imported=each)


def imported_by(name):
    """The library's files that a Python file of this checkout imports, all the way down."""
    text = (BASE / name).read_text(encoding="utf-8")
    found = re.findall(r"^ *from (polyhead[.\w]*) import (\([^)]*\)|.*)", text, re.MULTILINE)
    named = {f"{module}.{each}" for module, names in found for each in re.findall(r"\w+", names)}
    direct = IMPORTS.modules & (named | {module for module, _ in found})
    paths = [
        BASE / "src" / each.replace(".", "/")
        for each in direct.union(*map(IMPORTS.find_upstream_modules, direct))
    ]
    return sorted(checkout(path / "__init__.py" if path.is_dir() else f"{path}.py") for path in paths)


def claimed(_):
    """An input function that adds no input: it claims the folder of results when Snakemake plans to fill it.

    Snakemake calls it when it knows whether it will run jobs, and before it looks for its own locks. What only
    looks (-n, --lint, --summary, ...) is left alone.
    """
    if workflow.is_main_process and workflow.executor_plugin is not None and not workflow.dryrun:
        claim_once()
    return []


@cache
def claim_once():
    try:
        if forget_killed_runs():
            print("polyhead: the last run was killed; this one goes on where it stopped", file=sys.stderr)
        claim(STUDY.study)
    except (PolyheadError, OSError) as error:
        sys.exit(f"polyhead: {explain(error)}")


def last_line():
    """What a run says after everything else: where the report lies, or that there is a head to study."""
    page = Path(f"{OUT}/report/index.html").absolute()
    if not HEADS and Path(f"{OUT}/selection.json").is_file():
        again = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        return (
            f"A head is chosen ({OUT}/selection.json); the same command again makes the study of it: {again}"
        )
    return f"The report, to open in a browser: {page.as_uri()}" if page.is_file() else ""


if workflow.is_main_process:
    show(workflow, last_line)


def complete(rules_):
    """Give rules what all have alike: code that they depend on, a log, a benchmark, the locked environment."""
    for each in rules_:
        if not each.script:
            continue
        script = f"workflow/scripts/{Path(each.script).name}"
        wildcards = "_".join(f"{{{name}}}" for name in sorted(each.wildcard_names))
        job = f"{each.name}/{wildcards}" if wildcards else each.name
        each.input_modifier = each.log_modifier = each.benchmark_modifier = workflow.modifier.path_modifier
        each.set_input(library=[checkout(script), *imported_by(script)])
        each.set_log(f"{OUT}/logs/{job}.log")
        if each.output:
            each.set_input(claimed=claimed)
            each.benchmark = f"{OUT}/benchmarks/{job}.tsv"
        each.conda_env = "../../envs/polyhead.yaml"  # from the folder of the rules
