"""One kind of error for everything a user can get wrong or can mend."""


class PolyheadError(Exception):
    """A problem told in the user's words: what is wrong, where, what is allowed, what to do.

    Scripts and the Snakefile print its message alone, without a traceback.
    """
