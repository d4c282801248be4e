"""Imported results on disk: `results/<campaign>/imported/<name>.json`, one file a point, apart from our own records."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.analysis.imported import ImportedPoint
from bench.store.results import write_atomically
from deepgalaxy.errors import InputError
from deepgalaxy.spec import read_json, to_json

FOLDER = "imported"


def write(results: Path, points: list[ImportedPoint]) -> list[Path]:
    """Store points below a folder of results, all or, where one is at odds with what is there, none.

    A point that is there already, equal but for the time of its import, stays as it is.

    Raises
    ------
    InputError: a point is stored already with other details, or can't be written
    """
    paths = {results / FOLDER / f"{point.name}.json": point for point in points}
    new = {path: point for path, point in paths.items() if not _same_there(path, point)}
    for path, point in new.items():
        write_atomically(path, to_json(point) + b"\n")
    return list(paths)


def read(results: Path) -> list[ImportedPoint]:
    """All imported points of a folder of results, by program and name; none where nothing was imported.

    Raises
    ------
    InputError: a damaged file, or one of a newer schema
    """
    return [read_json(path, ImportedPoint) for path in sorted((results / FOLDER).glob("*.json"))]


def _same_there(path: Path, point: ImportedPoint) -> bool:
    if not path.is_file():
        return False
    there = read_json(path, ImportedPoint)
    if msgspec.structs.replace(there, imported_utc=point.imported_utc) != point:
        fields = [f for f in point.__struct_fields__ if f != "imported_utc" and getattr(there, f) != getattr(point, f)]
        field = fields[0]
        raise InputError(
            f"{point.source} was imported already with {field} {getattr(there, field)!r}, now it is "
            f"{getattr(point, field)!r}; remove {path} to import it anew"
        )
    return True
