"""Results on disk: append-only, one folder a launch, written whole or not at all.

results/<campaign>/runs/<point>-<key>/launch-001/   spec.json, log.txt, rank files, record.json
results/<campaign>/runs/<point>-<key>/.lock         held by the harness that runs the point
results/<campaign>/index.jsonl                      a line a record; made again from the folders where it is wrong
results/<campaign>/{table.csv,table.md,scaling.png,scaling.pdf}
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from bench.store.summary import Summary, summarised
from deepgalaxy.errors import InputError
from deepgalaxy.files import replacing, told_if_unwritable
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec, read_json, to_json
from deepgalaxy.words import Outcome

RECORD = "record.json"


class Results:
    """The results of one campaign, in `folder`.

    Raises
    ------
    InputError: the folder can't be made or written
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._runs = folder / "runs"
        self._index = folder / "index.jsonl"
        try:
            self._runs.mkdir(parents=True, exist_ok=True)
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

    @contextmanager
    def claimed(self, spec: RunSpec) -> Iterator[bool]:
        """Whether the point is ours to run until the context ends; False where another harness runs it now.

        The kernel gives the claim back when its holder dies, in whatever way.
        """
        path = self._point(spec) / ".lock"
        with told_if_unwritable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            opened = path.open("w")
        with opened as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            except OSError:  # a file system without locks: new_launch still keeps two apart
                yield True
            else:
                yield True

    def ok_launches(self, spec: RunSpec, site: str) -> int:
        """Launches of a point on a site that have ended well by now."""
        records = (read_json(path, RunRecord) for path in self._point(spec).glob(f"launch-*/{RECORD}"))
        return sum(record.outcome is Outcome.OK and record.site == site for record in records)

    def write(self, record: RunRecord, folder: Path) -> Summary:
        """Store a record in its launch's folder, from then on the launch counts; returns it in short."""
        write_atomically(folder / RECORD, to_json(record))
        summary = summarised(record, str(folder.relative_to(self._runs)))
        with suppress(OSError), self._index.open("ab") as index:  # the folders know it all the same
            index.write(msgspec.json.encode(summary) + b"\n")
        return summary

    def records(self) -> Iterator[RunRecord]:
        """All stored records, oldest launch of each point first."""
        for path in self._record_files():
            yield read_json(path, RunRecord)

    def summaries(self) -> list[Summary]:
        """All stored records in short, in the order of `records`; reads only those that the index lacks."""
        indexed: dict[str, Summary] = {}
        with suppress(OSError):
            for line in self._index.read_bytes().splitlines():
                with suppress(msgspec.MsgspecError):  # half a line, of a process that was killed
                    summary = msgspec.json.decode(line, type=Summary)
                    indexed[summary.folder] = summary
        found = []
        for path in self._record_files():
            folder = str(path.parent.relative_to(self._runs))
            found.append(indexed.get(folder) or summarised(read_json(path, RunRecord), folder))
        if {s.folder for s in found} != set(indexed):
            with suppress(InputError):
                write_atomically(self._index, b"".join(msgspec.json.encode(s) + b"\n" for s in found))
        return found

    def _record_files(self) -> list[Path]:
        return sorted(self._runs.glob(f"*/launch-*/{RECORD}"))

    def _point(self, spec: RunSpec) -> Path:
        return self._runs / f"{spec.name}-{spec.key}"


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside and rename: a reader sees the old file or the new one, never a part.

    Raises
    ------
    InputError: it can't be written
    """
    with replacing(path) as partial:
        partial.write_bytes(content)
