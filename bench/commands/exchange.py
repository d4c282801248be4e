"""`dgbench export | import`: results for other programs, and other programs' results beside ours."""

from __future__ import annotations

import argparse
import hashlib
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bench import REPOSITORY
from bench.campaign.campaign import load_campaign
from bench.exchange.logs import PROGRAMS, Reading, read_log
from deepgalaxy.errors import InputError
from deepgalaxy.words import counted

if TYPE_CHECKING:
    from bench.analysis.imported import ImportedPoint

DEVICES = ("cpu", "gpu")
FORMATS = ("csv", "parquet", "mlperf", "extrap")


def add(commands: Any) -> None:
    """Describe the commands."""
    export = commands.add_parser(
        "export",
        help="results for other programs: CSV, Parquet, MLPerf's log, Extra-P",
        description=(
            "Write results in another program's format. csv, parquet: the scaling table, a row a point, failed and "
            "imported ones included. mlperf: every launch as lines of MLPerf's log, failed ones with status aborted. "
            "extrap: step time, throughput, data wait and memory by worker count, for Extra-P; failed launches are "
            "left out and counted, and curves with other counts go into files of their own. Provenance is in all."
        ),
        epilog="example: dgbench export quick --format parquet --out quick.parquet",
    )
    export.add_argument("results", metavar="RESULTS|CAMPAIGN", help="folder of results, or a campaign's name or file")
    export.add_argument("--format", required=True, choices=FORMATS, help="what to write")
    export.add_argument("--out", required=True, type=Path, metavar="PATH", help="file to write")
    export.add_argument("--baseline", type=int, metavar="N", help="count that speedup is relative to (the campaign's)")
    export.add_argument("--mixed", action="store_true", help="join records of different machines or software as well")
    export.set_defaults(run=_export)
    importing = commands.add_parser(
        "import",
        help="another program's log as published rows beside our results",
        description=(
            "Read the throughput that another program printed and store it as a published point, with what is known "
            "to be wrong with it. It stands in tables as a row of its own, and is never a baseline, gated or averaged. "
            "What the log tells need not be given; where both do, they must agree. Programs: "
            + "; ".join(f"{name}: {program.what}" for name, program in PROGRAMS.items())
            + "."
        ),
        epilog=(
            "example: dgbench import train_log.txt --from deepgalaxy-train-log --backbone EfficientNetB4 "
            "--resolution 512 --results results/fig7"
        ),
    )
    option = importing.add_argument
    option("file", type=Path, metavar="FILE", help="the log")
    option("--from", dest="program", required=True, choices=list(PROGRAMS), help="the program that wrote it")
    option("--results", required=True, type=Path, metavar="DIR", help="folder of results to store it in")
    option("--workers", type=int, metavar="N", help="workers that ran")
    option("--backbone", metavar="NAME", help="network that was trained")
    option("--resolution", type=int, metavar="PIXELS", help="image edge")
    option("--batch-size", type=int, metavar="N", help="images per worker and step")
    option("--device", choices=DEVICES, help="what a worker computed on")
    option("--precision", metavar="NAME", help="arithmetic, such as fp32")
    option("--cores-per-worker", type=int, default=0, metavar="N", help="cores of each worker")
    option("--site", metavar="NAME", help="machine it ran on")
    option("--who", metavar="NAME", help="who ran it, or where it was published")
    importing.set_defaults(run=_import)
    for command in (export, importing):
        command.add_argument("--json", action="store_true", help="print as JSON")


def _export(arguments: argparse.Namespace) -> int:
    from bench.exchange import formats
    from bench.store.results import write_atomically

    folder, baseline = Path(arguments.results), arguments.baseline
    if not folder.is_dir():
        campaign = load_campaign(arguments.results)
        folder = REPOSITORY / "results" / campaign.name
        baseline = campaign.baseline_workers if baseline is None else baseline
    written = formats.FORMATS[arguments.format](formats.source(folder, baseline, mixed=arguments.mixed))
    if not written.files:
        raise InputError(f"nothing to write: {'; '.join(written.notes)}")
    out: Path = arguments.out
    paths = [out.with_stem(f"{out.stem}-{i}") for i in range(1, len(written.files) + 1)]
    paths = [out] if len(paths) == 1 else paths
    for path, content in zip(paths, written.files, strict=True):
        write_atomically(path, content)
    for note in written.notes:
        print(note, file=sys.stderr)
    if arguments.json:
        told = {"files": list(map(str, paths)), written.what: written.number, "notes": written.notes}
        print(msgspec.json.encode(told).decode())
    else:
        print(f"wrote {', '.join(map(str, paths))}: {written.number} {written.what}")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from bench.store import imported

    try:
        content = arguments.file.read_bytes()
    except OSError as error:
        raise InputError(f"{arguments.file}: {error.strerror}") from None
    readings = read_log(arguments.program, content.decode(errors="replace"), str(arguments.file))
    digest = hashlib.sha256(content).hexdigest()
    points = [_point(reading, arguments, digest, run) for run, reading in enumerate(readings, start=1)]
    paths = imported.write(arguments.results, points)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(points), indent=1).decode())
        return 0
    for point, path in zip(points, paths, strict=True):
        print(
            f"{point.backbone} {point.resolution}px, {counted(point.workers, 'worker')}: "
            f"{point.throughput_images_per_s:.1f} images/s, {point.provenance.value}; {point.note}"
        )
        print(f"wrote {path}")
    return 0


def _point(reading: Reading, arguments: argparse.Namespace, digest: str, run: int) -> ImportedPoint:
    """What the log and the command line tell of a run.

    Raises
    ------
    InputError: they disagree, or neither tells a thing that must be known
    """
    from bench.analysis.imported import NOT_STATED, ImportedPoint

    known: dict[str, Any] = {}
    for field in ("workers", "backbone", "resolution", "batch_size", "device"):
        option = f"--{field.replace('_', '-')}"
        asked, told = getattr(arguments, field), getattr(reading, field) or None
        if asked is not None and told is not None and str(asked).casefold() != str(told).casefold():
            raise InputError(f"{option} {asked} is not what {arguments.file} tells of run {run}: {told}")
        known[field] = told if asked is None else asked
        if known[field] is None and field != "device":
            raise InputError(f"{arguments.file} does not tell it: give {option}")
    if known["workers"] not in reading.possible_workers:
        raise InputError(
            f"--workers {known['workers']} can't be: throughputs in total and per worker in {arguments.file} allow "
            f"{reading.possible_workers.start} to {reading.possible_workers.stop - 1}"
        )
    return ImportedPoint(
        program=arguments.program,
        who=arguments.who or NOT_STATED,
        site=arguments.site or NOT_STATED,
        mode=reading.mode,
        **known | {"device": known["device"] or NOT_STATED},
        throughput_images_per_s=reading.throughput_images_per_s,
        flaws=list(reading.flaws),
        source=arguments.file.name,
        source_sha256=digest,
        imported_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        run=run,
        precision=arguments.precision or NOT_STATED,
        engine=reading.engine or NOT_STATED,
        cores_per_worker=arguments.cores_per_worker,
    )
