"""Worker counts as people write them: `128`, `4,8,16`, `4:1024`."""

from __future__ import annotations

from deepgalaxy.errors import InputError

FORMS = "one count (128), a list (4,8,16) or a doubling range (4:1024)"


def parse_counts(text: str, origin: str = "--workers") -> list[int]:
    """Worker counts in ascending order, each once.

    A range doubles from its first count and always ends with its last: `4:24` is 4, 8, 16, 24.

    Raises
    ------
    InputError: not one of the three forms, a count below 1, or a range that runs downwards
    """
    counts: set[int] = set()
    for part in text.split(","):
        ends = [_count(end, text, origin) for end in part.split(":")]
        if len(ends) > 2:
            raise InputError(f"{origin} {text!r} is not {FORMS}")
        first, last = ends[0], ends[-1]
        if last < first:
            raise InputError(f"{origin} {text!r} runs downwards; write {last}:{first}")
        while first < last:
            counts.add(first)
            first *= 2
        counts.add(last)
    return sorted(counts)


def _count(text: str, whole: str, origin: str) -> int:
    if not text.strip().isdecimal():
        raise InputError(f"{origin} {whole!r} is not {FORMS}")
    count = int(text)
    if count < 1:
        raise InputError(f"{origin} {whole!r}: {count} is too small, 1 or more is allowed")
    return count
