"""Find and read the TOML files of campaigns and sites."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeVar

import msgspec

from deepgalaxy.errors import InputError, near_names

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Struct = TypeVar("Struct", bound=msgspec.Struct)


def named_file(name_or_file: str, folder: Path, what: str, suffix: str = ".toml") -> Path:
    """A file given by its path, or by its name in `folder`.

    Raises
    ------
    InputError: neither exists; the message gives near names
    """
    if name_or_file.endswith(suffix):
        path = Path(name_or_file)
        if not path.is_file():
            raise InputError(f"{what} file {name_or_file} does not exist")
        return path
    path = folder / f"{name_or_file}{suffix}"
    if not path.is_file():
        raise InputError(near_names(what, name_or_file, sorted(p.stem for p in folder.glob(f"*{suffix}"))))
    return path


def read_toml(path: Path, kind: type[Struct]) -> Struct:
    """Read and check a TOML file.

    Raises
    ------
    InputError: not TOML, unknown fields, wrong types
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: {error}") from None
    known = {field.name for field in msgspec.structs.fields(kind)}
    for name in content:
        if name not in known:
            raise InputError(f"{path}: {near_names('field', name, sorted(known))}")
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}") from None
