"""`deepgalaxy info`: what a network costs, at any resolution."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec

from deepgalaxy.errors import InputError, near_names
from deepgalaxy.networks.catalogue import BACKBONES, CLASSES


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "info",
        help="parameters, gradients, arithmetic and memory of a network",
        description=(
            "Tell what a network costs: its parameters, the bytes and tensors of the gradients that ranks exchange, "
            "floating-point operations per image (by TensorFlow's profiler, a multiply-add counts as two), and an "
            "estimate of the memory that its feature maps take."
        ),
        epilog="examples: deepgalaxy info EfficientNetB4 --resolution 512 1024  |  deepgalaxy info runs/a/model.keras",
    )
    option = parser.add_argument
    option("model", metavar="MODEL", help="a backbone's name, or a model.keras that `deepgalaxy train` wrote")
    option("--resolution", type=int, nargs="+", metavar="PIXELS", help="edges of the images (224; a model's own)")
    option("--parts", nargs="+", default=["classifier"], metavar="PART", help="classifier, autoencoder, vae")
    option("--classes", type=int, default=CLASSES, metavar="N", help=f"({CLASSES})")
    option("--latent", type=int, default=16, metavar="N", help="length of the VAE's z (16)")
    option("--memory", action="store_true", help="instead: maps alive at once, by the graph of a training step (slow)")
    option("--json", action="store_true", help="print as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Build or load the network, and print its costs."""
    path = Path(arguments.model)
    if path.suffix != ".keras" and arguments.model not in BACKBONES:
        raise InputError(near_names("model", arguments.model, BACKBONES))
    from deepgalaxy.engine import load_tensorflow
    from deepgalaxy.words import Engine, Precision

    load_tensorflow(Engine.TENSORFLOW, Precision.FP32, threads=None)
    from deepgalaxy.networks.cost import cost, live
    from deepgalaxy.networks.deepgalaxy import load_network

    of: Any = live if arguments.memory else cost
    if path.suffix == ".keras":
        model = load_network(path)
        own = model.input_shape[1]
        resolutions = arguments.resolution or [own or 224]
        if own and set(resolutions) != {own}:
            raise InputError(f"{path} takes images of {own} pixels, not {' '.join(map(str, resolutions))}")
        costs = {r: of(model, r) for r in resolutions}
    else:
        costs = {r: of(_built(arguments, r), r) for r in arguments.resolution or [224]}
    rows = [{"model": arguments.model, "resolution": r, **msgspec.structs.asdict(c)} for r, c in costs.items()]
    if arguments.json:
        print(json.dumps(rows if len(rows) > 1 else rows[0], indent=1))
        return 0
    for row in rows:
        print(
            "\n".join(
                f"{name:28} {value:,}" if name != "model" else f"{name:28} {value}" for name, value in row.items()
            )
        )
    return 0


def _built(arguments: argparse.Namespace, resolution: int) -> Any:
    from deepgalaxy.networks.deepgalaxy import Part, network

    smallest = BACKBONES[arguments.model].min_resolution
    if resolution < smallest:
        raise InputError(f"resolution {resolution} is too small: {smallest} or more is allowed for {arguments.model}")
    allowed = [p.value for p in Part]
    for part in arguments.parts:
        if part not in allowed:
            raise InputError(near_names("part", part, allowed))
    return network(
        arguments.model,
        resolution,
        {Part(p) for p in arguments.parts},
        classes=arguments.classes,
        latent=arguments.latent,
    )
