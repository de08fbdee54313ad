"""The error for everything that a user can correct, and how errors are shown."""

import errno
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

LONGEST_LINE = 400
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


class PolyheadError(Exception):
    """A problem that the user can correct; the message says what is wrong, where, and what to do.

    Scripts and the Snakefile print only the message, without a traceback.
    """


def explain(error: BaseException) -> str:
    """Return the text of an error for the screen: what happened, what to do, no control characters."""
    number, where = getattr(error, "errno", None), getattr(error, "filename", None)
    place = f" ({where})" if where else ""
    if isinstance(error, PolyheadError):
        said = str(error)
    elif isinstance(error, OSError) and number in NO_SPACE:
        said = f"no space left on the disk{place}; make room and run the same command again, which goes on"
    elif isinstance(error, OSError) and number in NOT_WRITABLE:
        said = (
            f"no permission, or a read-only disk{place}; make it writable and run the same command again, or "
            "run in another folder"
        )
    elif isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        said = "not enough memory; make shards smaller (shard_prompts), or allow fewer jobs at once (--cores)"
    else:
        said = f"{type(error).__name__}: {error}"
    return printable(said)


def did_you_mean(name: str, names: Sequence[str], otherwise: str) -> str:
    """Return a hint to the nearest spelling among the names that are known; without one, all of them."""
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"{otherwise} {', '.join(names)}"


def printable(text: str) -> str:
    """Return text that is safe to print: long lines are cut, control characters are escaped.

    Characters that change the direction of writing and lone surrogates are escaped too.
    """
    return "\n".join("".join(map(_escaped, _cut(line))) for line in text.split("\n"))


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} … ({len(line)} characters)"


def _escaped(character: str) -> str:
    invisible = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return ascii(character)[1:-1] if invisible else character
