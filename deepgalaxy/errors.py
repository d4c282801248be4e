"""Errors a user can mend, told in one line, and how commands end on them."""

from __future__ import annotations

import difflib
import functools
import sys
from collections.abc import Callable, Iterable

USAGE_EXIT_CODE = 2


class InputError(ValueError):
    """Something a user gave is wrong. The message is one line: value, origin, what is allowed."""


class BadResultError(Exception):
    """What ran is not what was asked. One line as well."""


def first_line(error: BaseException) -> str:
    """What a library's error says, in one line; its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def near_names(what: str, given: str, allowed: Iterable[str]) -> str:
    """One line for an unknown name: the near ones where there are any, else all."""
    names = list(allowed)
    folded = {name.casefold(): name for name in names}
    near = [folded[n] for n in difflib.get_close_matches(given.casefold(), folded, n=4, cutoff=0.6)]
    hint = f"near names: {', '.join(near)}" if near else f"allowed: {', '.join(names)}"
    return f"unknown {what} {given!r}; {hint}"


def reports_input_errors(main: Callable[..., int]) -> Callable[..., int]:
    """Make a command's `main` end with one line and exit code 2 on an `InputError`."""

    @functools.wraps(main)
    def wrapped(*args: object, **kwargs: object) -> int:
        try:
            return main(*args, **kwargs)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return USAGE_EXIT_CODE

    return wrapped
