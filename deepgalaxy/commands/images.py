"""`deepgalaxy images`: observed galaxies as the networks see them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepgalaxy.errors import InputError
from deepgalaxy.figures import save

if TYPE_CHECKING:
    from deepgalaxy.data.observed import Observed

MOST_SHOWN = 48


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "images",
        help="read observed galaxies and show them as the networks see them",
        description=(
            "Read FITS, PNG and JPEG images of galaxies, of any size, in colour or grey, bring them to the networks' "
            "form (one channel, square, 0 to 1), say which can't be read, and draw them on one sheet."
        ),
        epilog="examples: deepgalaxy images photos --sheet photos.png  |  deepgalaxy images hubble --sheet hubble.png",
    )
    option = parser.add_argument
    option(
        "source", metavar="IMAGES", help="an image, a folder of images, or `hubble`: galaxies of the Hubble Deep Field"
    )
    option("--resolution", type=int, default=128, metavar="PIXELS", help="edge of the images (128)")
    option("--sheet", type=Path, metavar="PNG", help=f"draw the first {MOST_SHOWN} of them")
    option("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, draw, and say what was read and what was left out."""
    from deepgalaxy.data.observed import Skipped, observed_images

    if not 8 <= arguments.resolution <= 4096:
        raise InputError(f"--resolution {arguments.resolution} is outside 8 to 4096")
    skipped: list[Skipped] = []
    images, _ = observed_images(arguments.source, arguments.resolution, skipped.append)
    read: list[str] = []
    shown: list[Observed] = []
    for image in images:
        read.append(image.name)
        if arguments.sheet and len(shown) < MOST_SHOWN:
            shown.append(image)
        if image.note:
            print(f"{image.name}: {image.note}", file=sys.stderr)
    for left_out in skipped:
        print(f"skipped {left_out.name}: {left_out.reason}", file=sys.stderr)
    if arguments.sheet and shown:
        draw(shown, arguments.sheet)
    if arguments.json:
        print(json.dumps({"read": read, "skipped": {s.name: s.reason for s in skipped}}))
    else:
        print(f"{len(read)} images read, {len(skipped)} skipped")
    if not read:
        raise InputError(f"none of the {len(skipped)} images in {arguments.source} can be read")
    return 0


def draw(images: list[Observed], path: Path) -> None:
    """All images on one sheet with their names.

    Raises
    ------
    InputError: `path` can't be written
    """
    from matplotlib.figure import Figure

    columns = min(8, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.5 * columns, 1.7 * rows), dpi=120, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, image in zip(axes, images, strict=False):
        axis.imshow(image.pixels[..., 0], cmap="inferno", vmin=0, vmax=1)
        axis.set_title(image.name, fontsize=6)
    save(figure, path)
