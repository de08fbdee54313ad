# In:  the merged config.
# Out: STUDY (checked config), SOURCE (where its model is fetched from, if it is), OUT (results/<study>), head_file()
#      and other helpers for the rules' files, made() (what a study delivers). No rules.
import gc
import hashlib
import os
import sys
from pathlib import Path

from snakemake.io import strip_wildcard_constraints

from polyhead.config import load_study, made_with, model_source
from polyhead.errors import PolyheadError, explain

# What was imported by now stays. Python need not search it for garbage, which is a fifth of a plan's time.
gc.freeze()

try:
    STUDY = load_study(config, workflow.basedir)
    SOURCE = model_source(config, workflow.basedir)
except PolyheadError as error:
    sys.exit(f"polyhead: {explain(error)}")

OUT = f"results/{STUDY.study}"
HEAD = f"{OUT}/heads/{{head}}"
HEADS = STUDY.head
MAIN_HEAD = HEADS[0] if HEADS else None  # none as long as `head: auto` has not been answered
GIVEN = config.get("head") != "auto"  # by hand
SHARDS = [f"{first:06d}" for first in range(0, STUDY.prompts, STUDY.shard_prompts)]
TASKS = STUDY.ablation.tasks
MADE_WITH = made_with(STUDY)  # tokenizer that the corpus was made with, where it has to be made anew

# Whole layers are done layer by layer, each of their jobs for all heads of one; other heads one by one.
LAYERS = sorted({head.partition(".")[0] for head in HEADS}, key=int)
OF_A_LAYER = [f".{number}" for number in sorted({int(head.partition(".")[2]) for head in HEADS})]
BY_LAYER = len(OF_A_LAYER) > 1 and len(LAYERS) * len(OF_A_LAYER) == len(HEADS)
JOBS = LAYERS if BY_LAYER else HEADS  # what the wildcard {heads} stands for
WHICH = "heads {wildcards.heads}.*" if BY_LAYER else "head {wildcards.heads}"  # in messages
PER_HEAD = "../scripts/per_head.py"  # runs the script of the rule's name for every head of the job


wildcard_constraints:
    heads=r"\d+" if BY_LAYER else r"\d+\.\d+",
    head=r"\d+\.\d+",
    shard=r"\d+",
    task="[A-Za-z0-9_-]+",


def head_file(name):
    """A file that every head of the study has: those of the heads of one job."""
    return [f"{OUT}/heads/{{heads}}{number}/{name}" for number in (OF_A_LAYER if BY_LAYER else [""])]


def of_each_head(name):
    """A file of every head of the study, where one job makes those of all."""
    return expand(f"{OUT}/heads/{{head}}/{name}", head=HEADS)


def made():
    """What the rules that are there by now make of the study: for all heads, shards, tasks and taxonomies.

    Every file is asked for by name. Otherwise, where a job fails or is killed after its old output was removed, and
    no target names that output, Snakemake keeps what was made from the old one and has nothing to do.
    """
    values = {"heads": JOBS, "head": HEADS, "shard": SHARDS, "task": TASKS, "taxonomy": STUDY.taxonomies}
    files = [file for rule_ in workflow.rules for file in rule_.output if file.startswith(f"{OUT}/")]
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


def corpus_files():
    """The corpus split that the report reads."""
    return split_files(STUDY.corpus.split)


def selection_files():
    """The split that heads are chosen on."""
    return split_files(STUDY.selection.split)
