"""`dgbench memory`: how much memory a worker will need, from the memory model."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from deepgalaxy.errors import InputError, near_names
from deepgalaxy.networks.catalogue import BACKBONES
from deepgalaxy.words import Engine, Mode, Precision, Provenance

if TYPE_CHECKING:
    from bench.projection.memory import Load, MemoryModel
    from bench.projection.memory_errors import Miss
    from bench.store.memory import MeasuredPeaks


Row = dict[str, Any]


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "memory",
        help="how much memory a worker will need, for any backbone, resolution and batch",
        description=(
            "Predict the peak memory of a worker with its 95% interval from a model of what it holds (base, weights "
            "and optimizer, graph, feature maps, exchange), fitted to measured points: those that come with the suite, "
            "or those of --results. Measured and published peaks of the same points stand beside the projected ones. "
            "The plan's check of what fits uses the same model."
        ),
        epilog=(
            "examples: dgbench memory --backbone EfficientNetB7 --resolution 1024 2048 --batch-size 1  |  "
            "dgbench run memory && dgbench memory --results results/memory --errors"
        ),
    )
    option = parser.add_argument
    option("--backbone", nargs="+", default=["EfficientNetB0", "EfficientNetB4", "EfficientNetB7"], metavar="NAME")
    option("--resolution", type=int, nargs="+", default=[512, 1024, 2048], metavar="PIXELS", help="(512 1024 2048)")
    option("--batch-size", type=int, nargs="+", default=[1, 8], metavar="N", help="images a worker and step (1 8)")
    option("--mode", default=Mode.TRAIN.value, help="train or infer (train)")
    option("--precision", default=Precision.FP32.value, help="fp32, bf16, bf16-amp (fp32)")
    option("--engine", default=Engine.TENSORFLOW.value, help="tensorflow or itex (tensorflow)")
    option("--workers", type=int, default=1, metavar="N", help="more than one adds what the exchange takes (1)")
    option("--optimizer", default="Adadelta", help="its slots are part of the state (Adadelta)")
    option("--results", type=Path, nargs="+", metavar="DIR", help="fit on the records in these folders alone")
    option("--errors", action="store_true", help="instead: every measured point against a model fitted without it")
    option("--save", type=Path, metavar="FILE", help="write the measured points to a file, as those that ship")
    option("--figure", type=Path, metavar="STEM", help="draw memory against resolution: STEM.png, .pdf, .svg, .csv")
    option("--json", action="store_true", help="print as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Fit, predict, print; draw and save where asked."""
    loads = _asked(arguments)
    from bench.projection.memory import fit
    from bench.store import memory  # NumPy and SciPy load with them
    from deepgalaxy.networks.costs import memory_costs

    measured = memory.collected(arguments.results) if arguments.results else memory.read(memory.SHIPPED)
    costs = memory_costs()
    known = msgspec.structs.replace(measured, points=memory.with_costs(measured.points, costs))
    if names := " ".join(sorted({point.load.backbone for point in measured.points} - set(costs))):
        print(f"left out: {names}, whose costs python tools/network_costs.py {names} finds", file=sys.stderr)
    model = fit(known.points, costs)
    if arguments.save:
        memory.write(arguments.save, measured)
    rows = _predicted(loads, model, known)
    if arguments.figure:
        from bench.report.memory_model import write_figure

        write_figure(rows, _points(known), arguments.figure)
    if arguments.errors:
        return _print_errors(known, as_json=arguments.json)
    if arguments.json:
        print(json.dumps({"fitted_on": _about(known), "rows": rows}, indent=1))
        return 0
    from bench.report.memory_model import readable

    print(readable(rows))
    print(f"\nprojected from {len(known.points)} measured points ({', '.join(_about(known).values())})")
    return 0


def _asked(arguments: argparse.Namespace) -> list[Load]:
    """The points that the command line names.

    Raises
    ------
    InputError: a name or number that is not allowed
    """
    from bench.projection.memory import SLOTS, Load

    for kind, option in ((Mode, "mode"), (Precision, "precision"), (Engine, "engine")):
        names = [x.value for x in kind if x is not Mode.LOAD]
        if getattr(arguments, option) not in names:
            raise InputError(near_names(option, getattr(arguments, option), names))
    if arguments.optimizer not in SLOTS:
        raise InputError(near_names("optimizer", arguments.optimizer, SLOTS))
    for name, values in (("batch-size", arguments.batch_size), ("workers", [arguments.workers])):
        if min(values) < 1:
            raise InputError(f"--{name} {min(values)} is too small: 1 or more is allowed")
    for backbone in arguments.backbone:
        if backbone not in BACKBONES:
            raise InputError(near_names("backbone", backbone, BACKBONES))
        if min(arguments.resolution) < BACKBONES[backbone].min_resolution:
            least = f"{BACKBONES[backbone].min_resolution} or more is allowed for {backbone}"
            raise InputError(f"--resolution {min(arguments.resolution)} is too small: {least}")
    return [
        Load(
            mode=Mode(arguments.mode),
            backbone=backbone,
            resolution=resolution,
            batch_size=batch,
            precision=Precision(arguments.precision),
            engine=Engine(arguments.engine),
            workers=min(arguments.workers, 2),  # more ranks exchange through the same buffers
            optimizer=arguments.optimizer,
        )
        for backbone in arguments.backbone
        for resolution in arguments.resolution
        for batch in arguments.batch_size
    ]


def _predicted(loads: Iterable[Load], model: MemoryModel, known: MeasuredPeaks) -> list[Row]:
    """A row a point, with what was measured or published of the same beside it."""
    measured = {point.load: point.peak_rss_bytes for point in known.points}
    published = _published()
    rows = []
    for load in loads:
        peak, low, high, parts = model.predict(load)
        rows.append(
            _named(load)
            | {"provenance": Provenance.PROJECTED.value, "peak_rss_bytes": peak, "low": low, "high": high}
            | {f"{term}_bytes": share for term, share in parts.items()}
            | {"measured_bytes": measured.get(load), "published_bytes": published.get(_paper_key(load))}
        )
    return rows


def _points(known: MeasuredPeaks) -> list[Row]:
    """Measured and published peaks as rows of the figure."""
    measured = [
        _named(p.load) | {"provenance": known.provenance.value, "peak_rss_bytes": p.peak_rss_bytes}
        for p in known.points
    ]
    names = ("mode", "backbone", "resolution", "batch_size", "precision")
    published = [
        dict(zip(names, key, strict=True)) | {"provenance": Provenance.PUBLISHED.value, "peak_rss_bytes": peak}
        for key, peak in _published().items()
    ]
    return measured + published


def _named(load: Load) -> Row:
    row = {name: getattr(load, name) for name in load.__struct_fields__}
    return {name: value.value if hasattr(value, "value") else value for name, value in row.items()}


def _paper_key(load: Load) -> tuple[object, ...]:
    return load.mode.value, load.backbone, load.resolution, load.batch_size, load.precision.value


def _published() -> dict[tuple[object, ...], float]:
    """The paper's figures of memory, in bytes; it computes in fp32 on many workers, with its own TensorFlow."""
    from bench.store.published import paper_memory

    work = ("mode", "backbone", "resolution", "batch_size")
    return {
        (*(row[name] for name in work), Precision.FP32.value): float(row["peak_rss_bytes"])
        for row in paper_memory().to_dict("records")
    }


def _print_errors(known: MeasuredPeaks, *, as_json: bool) -> int:
    """What a model fitted without a point, or without a backbone, says of it."""
    from bench.projection.memory_errors import errors, left_out
    from bench.report.memory_model import readable_errors
    from deepgalaxy.networks.costs import memory_costs

    groups = {"point": lambda load: load, "backbone": lambda load: load.backbone}
    found = {name: left_out(known.points, memory_costs(), group) for name, group in groups.items()}
    told = {
        name: {"summary": errors(misses), "by_mode": _by_mode(misses), "rows": [_missed(m) for m in misses]}
        for name, misses in found.items()
    }
    print(json.dumps(told, indent=1) if as_json else readable_errors(told))
    return 0


def _by_mode(misses: list[Miss]) -> dict[str, dict[str, float]]:
    """Errors of training and of inference apart: they have few terms in common."""
    from bench.projection.memory_errors import errors

    modes = dict.fromkeys(miss.measured.load.mode for miss in misses)
    return {mode.value: errors(miss for miss in misses if miss.measured.load.mode is mode) for mode in modes}


def _missed(miss: Miss) -> Row:
    peak, low, high, _ = miss.predicted
    return _named(miss.measured.load) | {
        "measured_bytes": miss.measured.peak_rss_bytes,
        "projected_bytes": peak,
        "low": low,
        "high": high,
        "error": miss.error,
    }


def _about(known: MeasuredPeaks) -> dict[str, str]:
    return known.machine | {"dates_utc": " to ".join(dict.fromkeys(d[:10] for d in known.dates_utc))}
