"""Download the packages of the corpus. In: their locks. Out: a folder of wheels."""

from pathlib import Path

from job import stage

from training.wheels import download


@stage
def main(input, output):
    for lock in input.locks:
        download(Path(lock), Path(output.wheels))
