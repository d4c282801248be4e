"""`dgbench project`: what worker counts that are not here would do, and how far such projections were off."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import REPOSITORY
from bench.campaign.counts import parse_counts
from bench.commands.tried import fit_measured, validate
from bench.commands.what_if import changed, side_by_side
from deepgalaxy.errors import InputError, near_names
from deepgalaxy.profile import ComputeProfile, read_profile
from deepgalaxy.words import counted

if TYPE_CHECKING:  # they load pandas and scipy: a second
    from bench.analysis.calibration import Calibration
    from bench.projection.allreduce import Fabric

PROFILES = REPOSITORY / "jobs" / "profiles"
NETWORK = "omni-path-100"
"""The paper's, where none is named."""
PUBLISHED = REPOSITORY / "results" / "published" / "scaling.json"


def add(commands: Any) -> None:
    """Describe the command."""
    project = commands.add_parser(
        "project",
        help="a scaling curve that was not measured, or its errors against published ones",
        description=(
            "From a profile of one worker's step and a network, project step time, throughput and efficiency at any "
            "worker counts, with intervals and the time of each term. All figures are `projected`. --validate predicts "
            "published results from their stated inputs instead, and says how far off; --fit fits laws to measured "
            "points."
        ),
        epilog=(
            "examples: dgbench project --workers 4:4096 --network omni-path-100 --workers-per-node 4; "
            "dgbench project --validate; dgbench project --fit results/fig7 --workers 4:1024"
        ),
    )
    option = project.add_argument
    option("--workers", default="4:1024", metavar="COUNTS", help="128, or 4,8,16, or 4:4096 (4:1024)")
    option("--baseline-workers", type=int, help="what speedup and efficiency are relative to (the smallest count)")
    option("--profile", default="EfficientNetB4-512px-b2", metavar="NAME|JSON", help="of jobs/profiles (%(default)s)")
    option("--resolution", type=int, help="pixels; the profile's times are scaled with the number of pixels")
    option("--batch-size", type=int, help="images a worker and step; the profile's times are scaled with it")
    option(
        "--step-seconds",
        type=float,
        metavar="S",
        help="computing of one worker's step, instead of the scaled profile's",
    )
    option("--calibration", type=Path, metavar="JSON", help="of `dgbench calibrate`: its step, profile and exchanges")
    option(
        "--network",
        metavar="NAME|TOML",
        help="of jobs/networks (omni-path-100, or with --calibration the network that was measured)",
    )
    option("--workers-per-node", type=int, default=4, metavar="N", help="that share a node's link (4)")
    option("--exchange", choices=["mpi", "nccl"], default="mpi", help="MPI on host memory, or rings as NCCL's (mpi)")
    option("--gpu", action="store_true", help="workers compute on GPUs: gradients are staged for MPI")
    option("--fusion-mib", type=float, default=64, metavar="MIB", help="Horovod's fusion threshold (64)")
    option("--fp16", action="store_true", help="gradients travel as 16-bit numbers")
    option("--scaling", choices=["weak", "strong"], default="weak", help="same batch a worker, or same in all (weak)")
    option(
        "--what-if",
        nargs="+",
        default=[],
        metavar="CHANGES",
        help="also with these changed, side by side, e.g. network=ethernet-25 fp16,batch-size=16",
    )
    option("--images", type=int, metavar="N", help="of the training set: adds hours of training")
    option("--epochs", type=int, default=12, metavar="N", help="of the training (12, the paper's)")
    option("--out", type=Path, metavar="STEM", help="write STEM.csv and a figure as STEM.png, .pdf, .svg")
    option("--fit", type=Path, metavar="RESULTS", help="fit Amdahl, USL and a logarithmic law to measured efficiencies")
    option("--validate", nargs="?", const=PUBLISHED, type=Path, metavar="FILE", help="predict published records")
    option(
        "--leave-one-out", action="store_true", help="with --validate: constants adjusted without each source in turn"
    )
    option("--json", action="store_true", help="print as JSON")
    project.set_defaults(run=_project)


def _project(arguments: argparse.Namespace) -> int:
    if arguments.validate:
        return validate(arguments.validate, as_json=arguments.json, leave_one_out=arguments.leave_one_out)
    workers = parse_counts(arguments.workers)
    baseline = arguments.baseline_workers or workers[0]
    for name in (
        "baseline_workers",
        "resolution",
        "batch_size",
        "step_seconds",
        "workers_per_node",
        "fusion_mib",
        "images",
    ):
        value = getattr(arguments, name)
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"--{name.replace('_', '-')} {value} is not above 0")
    if arguments.fit:
        return fit_measured(
            arguments.fit,
            workers,
            arguments.baseline_workers or 1,
            network=arguments.network or NETWORK,
            per_node=arguments.workers_per_node,
            as_json=arguments.json,
        )
    rows, about = _curve(arguments, workers, baseline)
    others = [(text, _curve(changed(arguments, text), workers, baseline)[0]) for text in arguments.what_if]
    if arguments.json:
        print(json.dumps(rows + [row | {"what_if": text} for text, found in others for row in found], indent=1))
    else:
        _print(rows, about)
        if others:
            print("\n" + side_by_side([("as it is", rows), *others]))
    if arguments.out:
        _write(arguments.out, rows, about)
    return 0


def _curve(
    arguments: argparse.Namespace, workers: list[int], baseline: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of the curve that the command line describes, and what to call it."""
    from bench.projection.curve import project

    machine, about = _machine(arguments, max(*workers, baseline))
    rows = project(machine, workers, baseline, strong=arguments.scaling == "strong")
    for row in rows:
        row |= about
        if arguments.images:
            row["training_hours"] = arguments.images * arguments.epochs / row["throughput_images_per_s"] / 3600
    return rows, about


def _machine(arguments: argparse.Namespace, most_workers: int) -> tuple[Any, dict[str, Any]]:
    """What the command line describes, and what to call it."""
    import numpy as np

    from bench.projection.curve import Machine
    from bench.projection.inputs import calibrated, work_from

    calibration = _calibration(arguments.calibration)
    profile, source = (calibration.profile, arguments.calibration.stem) if calibration else _profile(arguments.profile)
    resolution, batch = arguments.resolution or profile.resolution, arguments.batch_size or profile.batch_size
    scale = batch / profile.batch_size * (resolution / profile.resolution) ** 2
    steps = np.array(calibration.step_time_s if calibration else profile.step_jitter)
    one_step = float(steps.mean()) if calibration else profile.forward_s + profile.backward_s
    compute = arguments.step_seconds or scale * one_step
    work = work_from(
        compute,
        [(g.elements, g.ready_s) for g in profile.gradients],
        profile.backward_s,
        float(steps.std() / steps.mean()),
        fp16=arguments.fp16,
        fusion_bytes=arguments.fusion_mib * 2**20,
    )
    per_node = arguments.workers_per_node
    measured = calibration is not None and not arguments.network and (calibration.nodes > 1 or most_workers <= per_node)
    network = "as calibrated" if measured else arguments.network or NETWORK
    fabric: Any = None if measured else fabric_named(network, host=arguments.exchange == "mpi", gpu=arguments.gpu)
    about = {
        "mode": "train",
        "backbone": profile.backbone,
        "resolution": resolution,
        "batch_size": batch,
        "network": network,
        "workers_per_node": per_node,
        "scaling": arguments.scaling,
        "exchange_by": calibration.transport if calibration else arguments.exchange,
        "compute_step_s": compute,
        "compute_from": "given" if arguments.step_seconds else f"{source}, scaled by {scale:g}",
    }
    if calibration:
        return calibrated(calibration, work, batch, per_node, fabric), about
    return Machine(work=work, fabric=fabric, per_node=per_node, batch_size=batch), about


def _calibration(path: Path | None) -> Calibration | None:
    if path is None:
        return None
    from bench.store.calibration import read_calibration

    return read_calibration(path)


def _profile(name_or_file: str) -> tuple[ComputeProfile, str]:
    """A profile by its name in jobs/profiles or by its file, and its name."""
    path = Path(name_or_file)
    if path.suffix != ".json":
        path = PROFILES / f"{name_or_file}.json"
        if not path.is_file():
            raise InputError(near_names("profile", name_or_file, sorted(p.stem for p in PROFILES.glob("*.json"))))
    return read_profile(path), path.stem


def fabric_named(name: str, *, host: bool, gpu: bool) -> Fabric:
    """The fabric of a network profile. host: MPI on host memory, else NCCL's rings; gpu: what workers compute on.

    Raises
    ------
    InputError: no such profile
    """
    from bench.campaign.network import Kind, load_network
    from bench.projection.inputs import fabric_of

    network = load_network(name)
    rate = network.gbit_per_s * 1e9 / 8
    return fabric_of(1e-6 * network.latency_us, rate, sockets=network.kind is Kind.TCP, host=host, gpu=gpu)


def _print(rows: list[dict[str, Any]], about: dict[str, Any]) -> None:
    print(
        f"projected: {about['backbone']} {about['resolution']}², batch {about['batch_size']} a worker, "
        f"{about['scaling']} scaling, "
        f"{about['network']} shared by {counted(about['workers_per_node'], 'worker')} a node, "
        f"computing {about['compute_step_s']:.3g} s a step ({about['compute_from']})"
    )
    terms = "computing / contention / stragglers / exchange [s]"
    print(f"{'workers':>8} {'step [s]':>10} {'images/s':>24} {'efficiency':>20}  {terms}")
    for row in rows:
        seconds = " / ".join(f"{value:.3g}" for value in row["terms"].values())
        speed = f"{row['throughput_images_per_s']:.4g} [{row['throughput_low']:.4g}, {row['throughput_high']:.4g}]"
        efficiency = f"{row['efficiency']:.2f} [{row['efficiency_low']:.2f}, {row['efficiency_high']:.2f}]"
        hours = f"  {row['training_hours']:.2f} h" if "training_hours" in row else ""
        figures = f"{row['workers']:>8} {row['step_time_s']:>10.4g} {speed:>24} {efficiency:>20}"
        print(f"{figures}  {seconds}: {row['bottleneck']}{hours}")


def _write(stem: Path, rows: list[dict[str, Any]], about: dict[str, Any]) -> None:
    if not stem.parent.is_dir():
        raise InputError(f"--out {stem}: there is no folder {stem.parent}")
    import pandas as pd

    from bench.report.projection import projection_figure

    table = pd.DataFrame([{**row, **row["terms"]} for row in rows]).drop(columns="terms")
    print(*(f"wrote {path}" for path in projection_figure(table, stem, about).files), sep="\n", file=sys.stderr)
