# In:  the merged config.
# Out: STUDY (checked config), SOURCE (where its model is fetched from, if it is), OUT (results/<study>), STUDY_OUTPUTS (every stage adds what the study
#      delivers), helpers for the rules' inputs. No rules.
import os
import sys
from pathlib import Path

from polyhead.config import load_study, model_source
from polyhead.errors import PolyheadError, explain

try:
    STUDY = load_study(config, workflow.basedir)
    SOURCE = model_source(config, workflow.basedir)
except PolyheadError as error:
    sys.exit(f"polyhead: {explain(error)}")

OUT = f"results/{STUDY.study}"
HEADS = STUDY.head
MAIN_HEAD = HEADS[0]
LIBRARY = os.path.relpath(Path(workflow.basedir) / "src" / "polyhead")
STUDY_OUTPUTS = []
SHARDS = [f"{first:06d}" for first in range(0, STUDY.prompts, STUDY.shard_prompts)]


wildcard_constraints:
    head=r"\d+\.\d+",
    shard=r"\d+",


def library(*modules):
    """Library modules as inputs, so that a rule reruns when the code behind its script changes."""
    return [f"{LIBRARY}/{module}.py" for module in modules]


def head_file(name):
    """A file of the head that the wildcard names."""
    return f"{OUT}/heads/{{head}}/{name}"


def deliver(*names, **wildcards):
    """Add files of every head of the study to what the study delivers."""
    for name in names:
        STUDY_OUTPUTS.extend(expand(head_file(name), head=HEADS, **wildcards))


def model_files():
    """The files of the study's model; one that was fetched has two more."""
    more = ("tokenizer_config.json", "source.json") if SOURCE else ()
    return [f"{STUDY.model}/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json", *more)]


def corpus_files():
    """The corpus split as a file; none where prompts are drawn from a data set in parts."""
    return [] if STUDY.corpus.repo else [f"{STUDY.corpus.path}/{STUDY.corpus.split}.parquet"]
