"""`deepgalaxy index`: latent vectors of a data set, for `deepgalaxy search`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from deepgalaxy.commands import ranked
from deepgalaxy.console import Progress
from deepgalaxy.errors import InputError


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "index",
        help="index merger images for the search",
        description=(
            "Give every image of one or more HDF5 files to the VAE's encoder, and keep the latent vectors with where "
            "each image is from. An index that is there is added to; images that it holds are not indexed twice."
        ),
        epilog="example: deepgalaxy index data/mergers_64.hdf5 --model runs/joint/model.keras --out mergers.npz",
    )
    option = parser.add_argument
    option("data", type=Path, nargs="+", metavar="HDF5", help="merger images, see `deepgalaxy simulate`")
    option("--model", type=Path, required=True, metavar="KERAS", help="a model.keras with a VAE")
    option("--out", type=Path, required=True, metavar="NPZ", help="the index, new or to add to")
    option("--batch-size", type=int, default=64, metavar="N", help="images at a time (64)")
    option("--json", action="store_true", help="print the result as JSON")
    ranked.add_options(parser, exchanging=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Encode, join, write."""
    if not 1 <= arguments.batch_size <= 4096:
        raise InputError(f"--batch-size {arguments.batch_size} is outside 1 to 4096")
    if arguments.out.suffix != ".npz":
        raise InputError(f"--out {arguments.out} does not end in .npz")
    ranked.begin(arguments, seed=0)
    from deepgalaxy.networks.deepgalaxy import in_global_precision, load_network
    from deepgalaxy.search.index import Encoder, index_file, read_index

    encode = Encoder(in_global_precision(load_network(arguments.model)), arguments.model)
    index = read_index(arguments.out) if arguments.out.exists() else None
    before = len(index) if index else 0
    progress = Progress(len(arguments.data))
    for number, path in enumerate(arguments.data):

        def report(done: int, of: int, number: int = number, name: str = path.name) -> None:
            progress.update(number + done / of, f"files  {name}: {done} of {of} images")

        new = index_file(path, encode, arguments.batch_size, report)
        index = index.joined(new) if index else new
    assert index is not None  # argparse asks for a file
    index.write(arguments.out)
    result = {"images": len(index), "added": len(index) - before, "out": str(arguments.out)}
    print(json.dumps(result) if arguments.json else f"{result['added']} images added, {len(index)} in {arguments.out}")
    return 0
