"""Write what is expected of a study from a finished one, and the tables of the project's own pages.

    python -m polyhead.report.renew_claims results/reference     what is expected, then the tables
    python -m polyhead.report.renew_claims                       the tables alone

Run it in the checkout: it writes `report/expected/<study>.json`, README.md and docs/reviewers.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from polyhead.errors import PolyheadError, explain
from polyhead.files import read_json, write_json, write_text
from polyhead.report.claims import Found, claims_of, find, hashes, settings
from polyhead.report.claims_file import Claim, expected_file, read_claims
from polyhead.report.claims_table import page_table
from polyhead.report.facts import Study
from polyhead.report.numbers import NBSP, format_value, read_numbers
from polyhead.report.published import read_published
from polyhead.study.records import Record, check_unedited, read_records, seconds_to_make

RELATIVE, ABSOLUTE = 1e-4, 2e-5
"""Least tolerance: by so much numbers differ between processors."""
WITHOUT_INTERVAL = 0.01
"""Relative tolerance of numbers that have no interval."""
REFERENCE, POST = "reference", "attn-only-4l"
README, REVIEWERS = "README.md", "docs/reviewers.md"
MARK = re.compile(
    r"(<!-- (?P<what>[\w-]+): written by polyhead\.report\.renew_claims -->\n).*?(<!-- end -->)", re.S
)


def renew(folder: Path, sources: Path) -> Path:
    """Write what is expected of a study from its results; return the file.

    Raises:
        PolyheadError: the study is not finished, tables were edited by hand, or nothing is claimed of a study
            of its name.
    """
    for name in ("numbers.json", "provenance.json"):
        if not (folder / name).is_file():
            raise PolyheadError(f"{folder} has no {name}: finish the study first (snakemake)")
    check_unedited(folder, [str(folder / "numbers.json")])
    study = Study(folder, read_published(sources / "published.yaml"), {})
    name = study.config["study"]
    if name not in (known := read_claims(sources).studies) or known[name].published:
        raise PolyheadError(f"{sources / 'claims.yaml'} has no claims about {name!r} that could be renewed")
    record = {
        "made": study.provenance["machine"],
        "stages": study.provenance["wall_seconds"],
        "files": hashes(study.provenance),
        "settings": settings(study.config),
        "expected": dict(_expected(study, sources)),
    }
    write_json(expected_file(sources, name), record)
    return expected_file(sources, name)


def _expected(study: Study, sources: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield for every claim that the study has a value for what is expected from now on."""
    content, records = read_claims(sources), read_records(study.folder)
    names = {"head": study.head, "method": study.config["ablation"]["methods"][0]}
    for claim in (
        claim for group in content.studies[study.config["study"]].claims for claim in content.claims[group]
    ):
        for task in study.read if "{task}" in claim.label else [""]:
            filled = claim.filled({**names, "task": task})
            found = find(filled, study.folder, read_numbers(study.folder / "numbers.json"))
            if found is not None:
                yield filled.label, _entry(filled, found, task, records)


def _entry(claim: Claim, found: Found, task: str, records: list[Record]) -> dict[str, Any]:
    entry: dict[str, Any] = {"value": found.value, "unit": found.unit, "file": found.source, "task": task}
    if not isinstance(found.value, str):
        entry["tolerance"] = claim.tolerance if claim.tolerance is not None else tolerance(found)
    return entry | {"minutes": round(seconds_to_make(records, found.source) / 60, 2)}


def tolerance(found: Found) -> float:
    """Return how far a number may lie from the one found: the larger side of its interval."""
    value = abs(float(found.value))
    if found.low is None or found.high is None:
        return max(WITHOUT_INTERVAL * value, ABSOLUTE)
    side = max(float(found.value) - found.low, found.high - float(found.value))
    return float(f"{max(side, RELATIVE * value, ABSOLUTE):.3g}")


def renew_pages(repository: Path) -> None:
    """Write the tables into the pages of the project."""
    for name in (README, REVIEWERS):
        path = repository / name
        write_text(path, filled_page(path.read_text(encoding="utf-8"), repository / "report"))


def filled_page(text: str, sources: Path) -> str:
    """Return a page with the tables between its marks written anew."""
    made = {
        "claims": lambda: page_table(claims_of(sources, REFERENCE, *_about(sources))),
        "claims-of-the-post": lambda: page_table(claims_of(sources, POST, *_post(sources))),
        "times": lambda: times_table(read_json(expected_file(sources, REFERENCE))),
    }
    return MARK.sub(lambda match: f"{match[1]}\n{made[match['what']]()}\n\n{match[3]}", text)


def _about(sources: Path) -> tuple[str, str]:
    """Return the head and the first method of ablation of the default study."""
    about = read_json(expected_file(sources, REFERENCE))["settings"]
    return about["head"][0], about["ablation"]["methods"][0]


def _post(sources: Path) -> tuple[str, str]:
    return read_published(sources / "published.yaml")["head"], "bos"


def times_table(record: Mapping[str, Any]) -> str:
    """Wall time and largest memory of every step of the default study, and the machine."""
    made, stages = record["made"], record["stages"]
    total = format_value(sum(stage["seconds"] for stage in stages.values()), "seconds")
    lines = [
        f"On {made['processor']}, {made['cores']} cores, {made['memory_gib']}{NBSP}GiB of memory, "
        f"{made['system']}, Python {made['python']}; {total} in all, over all jobs.",
        "",
        "| step | jobs | wall time | largest memory |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, stage in stages.items():
        time, memory = format_value(stage["seconds"], "seconds"), stage.get("memory_mib")
        lines.append(f"| `{name}` | {stage.get('jobs') or '–'} | {time} | {_memory(memory)} |")
    return "\n".join(lines)


def _memory(mib: float | None) -> str:
    return f"{mib:.0f}{NBSP}MiB" if mib else "–"


def main(folders: list[str]) -> None:
    """Renew what is expected of the studies in these folders, then the pages."""
    for folder in folders:
        print(f"{renew(Path(folder), Path('report'))} is written from {folder}")
    renew_pages(Path())
    print(f"the tables of {README} and {REVIEWERS} are written")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PolyheadError as error:
        sys.exit(f"polyhead: {explain(error)}")
