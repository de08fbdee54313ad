"""Which licences let a package's text into the corpus, decided from package metadata alone."""

import re
from email.message import Message

PERMISSIVE = {
    "0bsd", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "cc0-1.0", "cnri-python", "hpnd", "isc",
    "llvm-exception", "mit", "mit-0", "mit-cmu", "psf-2.0", "python-2.0", "unlicense", "zlib",
}  # fmt: skip

# Free-text licence fields and classifiers, by how they begin.
NAMES = (
    (r"(the )?mit\b", "MIT"),
    (r"apache", "Apache-2.0"),
    (r"(the )?(new |modified |simplified |\d-clause )?bsd", "BSD-3-Clause"),
    (r"(the )?(python software foundation|psf)", "PSF-2.0"),
    (r"isc\b", "ISC"),
    (r"zlib", "Zlib"),
    (r"(the )?unlicense", "Unlicense"),
    (r"historical permission notice", "HPND"),
)


def licence_of(metadata: Message) -> str | None:
    """Return the SPDX expression of a package whose metadata names permissive licences only, else None."""
    classifiers = [
        text.split("::")[-1].strip()
        for text in metadata.get_all("Classifier") or []
        if text.startswith("License ::")
    ]
    expression = metadata.get("License-Expression")
    if expression is not None:
        return expression if is_permissive(expression) else None
    free_text = (metadata.get("License") or "").strip()
    if is_permissive(free_text):
        return free_text
    named = [_named(text) for text in classifiers]
    if not named and free_text:
        named = [_named(free_text)]
    known = {name for name in named if name is not None}
    return " OR ".join(sorted(known)) if named and None not in named else None


def is_permissive(expression: str) -> bool:
    """Say whether every licence of an SPDX expression is permissive, whichever way they are joined."""
    licences = re.split(r"\s+(?:and|or|with)\s+|[()]", expression.lower())
    return bool(expression) and all(part.strip() in PERMISSIVE for part in licences if part.strip())


def _named(text: str) -> str | None:
    for pattern, licence in NAMES:
        if re.match(pattern, text, flags=re.IGNORECASE):
            return licence
    return None
