"""The two kinds of trouble a researcher can act on, each one line; and other errors on one line."""


class DemyelinError(Exception):
    """A problem that is told in one line: what is wrong, where, and what to do."""

    exit_code = 1


class InputError(DemyelinError):
    """Wrong usage or unusable input: nothing was run (exit code 2)."""

    exit_code = 2


class VisitError(DemyelinError):
    """One visit cannot be processed; the others go on (exit code 1)."""


def one_line(error: BaseException, most: int = 120) -> str:
    """Return what a library's error says on one line of at most `most` characters; its kind where it says nothing."""
    return " ".join(str(error).split())[:most] or type(error).__name__
