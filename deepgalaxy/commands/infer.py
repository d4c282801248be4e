"""`deepgalaxy infer`: merger stages of images, simulated or observed."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from deepgalaxy.commands import ranked
from deepgalaxy.commands.images import MOST_SHOWN, draw
from deepgalaxy.console import Progress
from deepgalaxy.errors import InputError
from deepgalaxy.files import replacing
from deepgalaxy.networks.catalogue import CLASSES
from deepgalaxy.words import Engine, Precision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepgalaxy.data.observed import Observed, Skipped

Row = dict[str, Any]


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "infer",
        help="infer merger stages from images",
        description=(
            "Classify images of galaxies with a trained network: the likeliest of the classes 0 (furthest apart) to 70 "
            "(merged), its probability, and the time to merge in Myr with an interval that holds 68% of the predicted "
            "distribution. Images are read a batch at a time; those that can't be read are left out and told. "
            "--engine auto and --precision auto take what is fastest here for this model; it is measured once."
        ),
        epilog=(
            "examples: deepgalaxy infer photos --model runs/a/model.keras --sheet photos.png  |  "
            "deepgalaxy infer data/mergers_128.hdf5 --model runs/a/model.keras --out stages.csv"
        ),
    )
    option = parser.add_argument
    option("source", metavar="IMAGES", help="an HDF5 file, an image, a folder of images, or `hubble`")
    option("--model", type=Path, required=True, metavar="KERAS", help="a model.keras of `deepgalaxy train`")
    option("--out", type=Path, metavar="FILE", help=".csv or .jsonl, a line an image (CSV on the terminal)")
    option("--top", type=int, default=3, metavar="N", help="likeliest classes to tell of each image (3)")
    option("--batch-size", type=int, default=32, metavar="N", help="images at a time (32)")
    option("--resolution", type=int, metavar="PIXELS", help="for a model that takes any (128)")
    option("--sheet", type=Path, metavar="PNG", help=f"draw the first {MOST_SHOWN} with what was inferred")
    option("--json", action="store_true", help="a line of JSON an image on the terminal, instead of CSV")
    ranked.add_options(parser, exchanging=False, auto=True)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load, predict batch by batch, write, and say what was done."""
    _check(arguments)
    _choose_way(arguments)
    ranked.begin(arguments, seed=0)
    import numpy as np

    from deepgalaxy.data.sources import images_of
    from deepgalaxy.inference import FrozenClassifier
    from deepgalaxy.networks.deepgalaxy import in_global_precision, load_network

    model = in_global_precision(load_network(arguments.model))
    resolution = _resolution(arguments, model.input_shape[1])
    classes = (model.output_shape.get("classes") or (0,))[-1]
    if classes not in (0, CLASSES):
        print(
            f"the model has {classes} classes, not {CLASSES}: times to merge are counted to its last one",
            file=sys.stderr,
        )
    skipped: list[Skipped] = []
    images, count = images_of(arguments.source, resolution, skipped.append)
    classify = FrozenClassifier(model, resolution, arguments.batch_size, ranked.named(Precision, arguments.precision))
    progress, done = Progress(count), 0
    shown: list[Observed] = []
    with ExitStack() as stack:
        write = _writer(arguments, stack)
        while batch := list(islice(images, arguments.batch_size)):
            for image, probabilities in zip(batch, classify(np.stack([i.pixels for i in batch])), strict=True):
                row = _row(image.name, probabilities, arguments.top)
                write(row)
                if arguments.sheet and len(shown) < MOST_SHOWN:
                    shown.append(image._replace(name=_caption(row)))
            done += len(batch)
            progress.update(done, "images")
        for left_out in skipped:
            progress.note(f"skipped {left_out.name}: {left_out.reason}")
        if not done:
            raise InputError(f"none of the {len(skipped)} images in {arguments.source} can be read")
    if arguments.sheet:
        draw(shown, arguments.sheet)
    progress.note(f"{done} images, {len(skipped)} skipped")
    return 0


def _choose_way(arguments: argparse.Namespace) -> None:
    """Put the fastest engine and precision in the place of `auto`, and say which they are."""
    from deepgalaxy import fastest, placement

    if fastest.AUTO not in (arguments.engine, arguments.precision):
        return
    if arguments.engine != fastest.AUTO:
        ranked.named(Engine, arguments.engine)
    if arguments.precision != fastest.AUTO:
        ranked.named(Precision, arguments.precision)
    candidates = fastest.ways(arguments.engine, arguments.precision)
    cores = arguments.cores or len(placement.physical_cores(os.sched_getaffinity(0)))
    resolution = _resolution(arguments, fastest.input_edge(arguments.model))
    measured = fastest.measure(
        arguments.model, resolution, arguments.batch_size, cores, candidates, lambda what: print(what, file=sys.stderr)
    )
    way = fastest.best(measured, candidates)
    speeds = measured.images_per_s.items()
    figures = ", ".join(f"{name} {speed:.1f}" if speed else f"{name} fails" for name, speed in speeds)
    print(f"using {way}{' (measured earlier)' if measured.known else ''}: images/s of {figures}", file=sys.stderr)
    arguments.engine, arguments.precision = way.engine.value, way.precision.value


def _check(arguments: argparse.Namespace) -> None:
    for name, low, high in (("batch_size", 1, 4096), ("top", 1, 1000)):
        if not low <= getattr(arguments, name) <= high:
            raise InputError(f"--{name.replace('_', '-')} {getattr(arguments, name)} is outside {low} to {high}")
    if arguments.out and arguments.out.suffix not in (".csv", ".jsonl"):
        raise InputError(f"--out {arguments.out} ends in neither .csv nor .jsonl")


def _row(name: str, probabilities: NDArray[np.float32], top: int) -> Row:
    """What is told of an image: the likeliest class, the time, and the next likely classes."""
    from deepgalaxy.inference import interpret

    likely = probabilities.argsort()[::-1]
    row = {"image": name, **interpret(probabilities)._asdict()}
    for number, label in enumerate(likely[1:top], start=2):
        row |= {f"label_{number}": int(label), f"probability_{number}": float(probabilities[label])}
    return row


def _resolution(arguments: argparse.Namespace, own: int | None) -> int:
    """That of the model, or what was asked for where it takes any."""
    wanted: int | None = arguments.resolution
    if own and wanted and own != wanted:
        raise InputError(f"--resolution {wanted}: {arguments.model} takes images of {own} pixels")
    return own or wanted or 128


def _writer(arguments: argparse.Namespace, stack: ExitStack) -> Callable[[Row], None]:
    """A function that writes a row to the file, which takes its name when all are written, or to the terminal."""
    file: IO[str] = sys.stdout
    if arguments.out:
        file = stack.enter_context(stack.enter_context(replacing(arguments.out)).open("w", newline=""))
    if arguments.out.suffix == ".jsonl" if arguments.out else arguments.json:
        return lambda row: print(json.dumps(row), file=file)
    table: list[csv.DictWriter[str]] = []

    def write(row: Row) -> None:
        if not table:
            table.append(csv.DictWriter(file, list(row), lineterminator="\n"))
            table[0].writeheader()
        table[0].writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})

    return write


def _caption(row: Row) -> str:
    return (
        f"{Path(row['image']).stem[:22]}\nclass {row['label']} ({row['probability']:.2f})\n"
        f"{row['time_to_merge_myr']:.0f} [{row['earliest_myr']:.0f}, {row['latest_myr']:.0f}] Myr"
    )
