"""The error for everything that a user can correct, and how errors are shown."""

import errno
import unicodedata

LONGEST_LINE = 400
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


class PolyheadError(Exception):
    """A problem that the user can correct; the message says what is wrong, where, and what to do.

    Scripts and the Snakefile print only the message, without a traceback.
    """


def explain(error: BaseException) -> str:
    """Return the text of an error for the screen: what happened, what to do, no control characters."""
    if isinstance(error, PolyheadError):
        return printable(str(error))
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return printable(
            f"no space left on the disk{_where(error)}; make room and run the same command again, what is "
            "finished is kept"
        )
    if isinstance(error, OSError) and error.errno in NOT_WRITABLE:
        return printable(
            f"no permission, or a read-only disk{_where(error)}; make it writable and run the same command "
            "again, or run in another folder"
        )
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return "not enough memory; make shards smaller (shard_prompts), or allow fewer jobs at once (--cores)"
    return printable(f"{type(error).__name__}: {error}")


def printable(text: str) -> str:
    """Return text that is safe to print: long lines are cut, control characters are escaped.

    Characters that change the direction of writing and lone surrogates are escaped too.
    """
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    if len(line) > LONGEST_LINE:
        line = f"{line[:LONGEST_LINE]} … ({len(line)} characters)"
    return "".join(_escaped(character) for character in line)


def _escaped(character: str) -> str:
    invisible = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return ascii(character)[1:-1] if invisible else character


def _where(error: OSError) -> str:
    return f" ({error.filename})" if error.filename else ""
