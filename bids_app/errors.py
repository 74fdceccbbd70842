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


def file_reason(error: OSError, otherwise: object = "") -> str:
    """Return `FILE: reason` of the system's error, with `otherwise` for a file that it does not name."""
    where, reason = error.filename or otherwise, f"{error.strerror or error}"
    return f"{where}: {reason}" if where else reason
