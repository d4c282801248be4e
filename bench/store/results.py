"""Results on disk: append-only, one folder a launch, written whole or not at all.

results/<campaign>/runs/<point>-<key>/launch-001/   spec.json, log.txt, rank files, record.json
results/<campaign>/{table.csv,table.md,scaling.png,scaling.pdf}
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from deepgalaxy.errors import InputError
from deepgalaxy.files import replacing
from deepgalaxy.spec import Outcome, RunRecord, RunSpec, read_json, to_json


class Results:
    """The results of one campaign, in `folder`.

    Raises
    ------
    InputError: the folder can't be made or written
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            (folder / "runs").mkdir(parents=True, exist_ok=True)
            probe = folder / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise InputError(f"results folder {folder} can't be written: {error.strerror}") from None

    def new_launch(self, spec: RunSpec) -> tuple[int, Path]:
        """Number and empty folder of the next launch of a point."""
        point = self._point(spec)
        number = 1 + max((int(p.name.removeprefix("launch-")) for p in point.glob("launch-*")), default=0)
        while True:
            folder = point / f"launch-{number:03d}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:  # another harness took it in between
                number += 1
            else:
                return number, folder

    def write(self, record: RunRecord, folder: Path) -> None:
        """Store a record in its launch's folder; from then on the launch counts."""
        write_atomically(folder / "record.json", to_json(record))

    def records(self) -> Iterator[RunRecord]:
        """All stored records, oldest launch of each point first."""
        for path in sorted((self.folder / "runs").glob("*/launch-*/record.json")):
            yield read_json(path, RunRecord)

    def has_ok(self, spec: RunSpec) -> bool:
        """A launch of this very point has ended well."""
        return any(
            read_json(path, RunRecord).outcome is Outcome.OK for path in self._point(spec).glob("launch-*/record.json")
        )

    def _point(self, spec: RunSpec) -> Path:
        return self.folder / "runs" / f"{spec.name}-{spec.key}"


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside and rename: a reader sees the old file or the new one, never a part.

    Raises
    ------
    InputError: it can't be written
    """
    with replacing(path) as partial:
        partial.write_bytes(content)
