"""`deepgalaxy profile`: when in a training step which gradient is ready."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import msgspec

from deepgalaxy import placement, runtime
from deepgalaxy.errors import InputError, near_names
from deepgalaxy.networks.catalogue import BACKBONES
from deepgalaxy.profile import ComputeProfile, GradientReady, read_profile, write_profile


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "profile",
        help="time a backbone's training step, gradient by gradient",
        description=(
            "Train a few steps on random images, on all cores of this process, and write how long forward and backward "
            "pass took, how the steps varied, and when in the backward pass each gradient was ready: by a clock that "
            "is read behind every gradient. Emulated compute (dgbench lab) waits by such a file. --faster makes the "
            "profile of a worker that computes so many times as fast; --from does so from a file, without measuring."
        ),
        epilog=(
            "examples: deepgalaxy profile ResNet50 --resolution 128 --batch-size 8 --out resnet.json  |  "
            "deepgalaxy profile --from resnet.json --faster 10 --out resnet-10x-faster.json"
        ),
    )
    option = parser.add_argument
    option("backbone", nargs="?", metavar="BACKBONE", help="its name")
    option("--from", dest="source", type=Path, metavar="FILE", help="a profile to scale, instead of measuring")
    option("--out", type=Path, required=True, metavar="FILE", help="JSON to write")
    option("--resolution", type=int, default=128, metavar="PIXELS", help="edge of the images (128)")
    option("--batch-size", type=int, default=8, metavar="N", help="images a step (8)")
    option("--steps", type=int, default=20, metavar="N", help="timed steps (20)")
    option("--faster", type=float, default=1.0, metavar="X", help="divide all times by it (1)")
    option("--json", action="store_true", help="print a summary as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure or read, scale, write."""
    _check(arguments)
    profile = scaled(read_profile(arguments.source) if arguments.source else _measured(arguments), arguments.faster)
    write_profile(profile, arguments.out)
    told = {
        "backbone": profile.backbone,
        "resolution": profile.resolution,
        "batch_size": profile.batch_size,
        "forward_s": profile.forward_s,
        "backward_s": profile.backward_s,
        "gradients": len(profile.gradients),
        "gradient_bytes": 4 * sum(g.elements for g in profile.gradients),
    }
    print(json.dumps(told, indent=1) if arguments.json else f"wrote {arguments.out}: {told}")
    return 0


def scaled(profile: ComputeProfile, faster: float) -> ComputeProfile:
    """The profile of a worker that computes so many times as fast, and whose steps vary as much."""
    return msgspec.structs.replace(
        profile,
        forward_s=round(profile.forward_s / faster, 6),
        backward_s=round(profile.backward_s / faster, 6),
        gradients=[GradientReady(elements=g.elements, ready_s=round(g.ready_s / faster, 6)) for g in profile.gradients],
    )


def _measured(arguments: argparse.Namespace) -> ComputeProfile:
    from deepgalaxy.engine import load_tensorflow
    from deepgalaxy.words import Engine, Precision

    cores = placement.physical_cores(os.sched_getaffinity(0))
    runtime.prepare(len(cores))
    load_tensorflow(Engine.TENSORFLOW, Precision.FP32, threads=len(cores))
    from deepgalaxy.training.timing import measure_profile

    return measure_profile(arguments.backbone, arguments.resolution, arguments.batch_size, arguments.steps)


def _check(arguments: argparse.Namespace) -> None:
    if (arguments.backbone is None) == (arguments.source is None):
        raise InputError("either a backbone to measure or --from FILE is needed")
    for name, smallest in (("batch_size", 1), ("steps", 1)):
        if getattr(arguments, name) < smallest:
            raise InputError(
                f"--{name.replace('_', '-')} {getattr(arguments, name)} is too small: 1 or more is allowed"
            )
    if not 0 < arguments.faster < float("inf"):
        raise InputError(f"--faster {arguments.faster} is not a number above 0")
    if arguments.backbone is not None:
        if arguments.backbone not in BACKBONES:
            raise InputError(near_names("backbone", arguments.backbone, BACKBONES))
        smallest = BACKBONES[arguments.backbone].min_resolution
        if arguments.resolution < smallest:
            raise InputError(
                f"--resolution {arguments.resolution} is too small: {smallest} or more is allowed for "
                f"{arguments.backbone}"
            )
