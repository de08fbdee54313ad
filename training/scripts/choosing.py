"""Rank a model's heads as `head: auto` does, by a study in a folder of its own.

In: a model, samples of the corpus. Out: the study's selection.json.
"""

import os
import subprocess
import sys
from pathlib import Path

import yaml
from job import stage

from polyhead.errors import PolyheadError
from polyhead.files import write_text


@stage
def main(input, output, study, folder, choices):
    model, corpus = (os.path.relpath(Path(files[0]).parent, folder) for files in (input.model, input.samples))
    chosen = {"study": "choosing", "model": model, "corpus": {"path": corpus}, "head": "auto", **choices}
    write_text(Path(folder, "study.yaml"), yaml.safe_dump(chosen))
    command = [sys.executable, "-m", "snakemake", "--snakefile", study, "--directory", folder]
    command += ["--configfile", f"{folder}/study.yaml", "--cores", snakemake.threads]
    target = os.path.relpath(output.selection, folder)
    done = subprocess.run([*map(str, command), "--", target], capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    if done.returncode:
        raise PolyheadError(f"the study of {model} failed; what it said is in the log")
