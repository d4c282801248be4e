"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deepgalaxy.errors import InputError


@contextmanager
def told_if_unwritable(path: Path) -> Iterator[None]:
    """Turn what goes wrong in writing `path` into one line.

    Raises
    ------
    InputError: `path` can't be written
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"can't write {path}: {error.strerror or error}") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place when all went well: a reader sees the old file or the
    new one, never a part. The folder is made where it is missing.

    Raises
    ------
    InputError: `path` can't be written
    """
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")  # libraries go by how a name ends
    with told_if_unwritable(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            partial.replace(path)
        finally:
            with suppress(OSError):  # gone already, or never made
                partial.unlink()
