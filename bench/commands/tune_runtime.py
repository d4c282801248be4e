"""`dgbench tune-runtime`: the fastest settings of a machine, found by experiment."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec

from bench import REPOSITORY
from bench.campaign.site import load_site
from deepgalaxy.errors import InputError


def add(commands: Any) -> None:
    """Describe the command."""
    tune = commands.add_parser(
        "tune-runtime",
        help="search the fastest threads, kernels, allocator and Horovod settings of a machine",
        description=(
            "Train with all settings of the ranks' processes varied at once, over launches in random order, and tell "
            "from them what each does to the step, with 95% intervals. What is better beyond doubt is put together, "
            "and launched in turn with the site's own settings and with stock ones. The result can be written into "
            "a site file, as its table [runtime], which all later runs on that site follow. A second call with the "
            "same point goes on."
        ),
        epilog="example: dgbench tune-runtime --workers 2 --minutes 20 --write-site mymachine.toml",
    )
    option = tune.add_argument
    option("--minutes", type=float, default=15.0, help="to spend; the fewest launches are done all the same (15)")
    option("--backbone", default="EfficientNetB0", help="(EfficientNetB0)")
    option("--resolution", type=int, default=128, help="pixels (128)")
    option("--batch-size", type=int, default=8, help="images per rank and step (8)")
    option("--workers", type=int, help="ranks (a slot each)")
    option("--cores-per-worker", type=int, help="(the site's share)")
    option("--steps", type=int, default=16, help="measured steps of each launch (16)")
    option("--data", help="HDF5 file of merger images (simulated when left out)")
    option("--site", default="local", help="name in jobs/sites, or a file (local)")
    option("--write-site", type=Path, metavar="FILE", help="site file to write the settings into; made where missing")
    option("--results", type=Path, metavar="DIR", help="folder of the results (results/tune-runtime)")
    option("--json", action="store_true", help="print as JSON")
    tune.set_defaults(run=_tune)


def _tune(arguments: argparse.Namespace) -> int:
    from bench.campaign.campaign import make_spec
    from bench.campaign.data import DataRequest, provide
    from bench.campaign.write_site import write_runtime
    from bench.store.results import Results
    from bench.tune_runtime import Search

    if not 0 < arguments.minutes < float("inf"):
        raise InputError(f"--minutes {arguments.minutes} is not a number above 0")
    site = load_site(arguments.site)
    if arguments.cores_per_worker:
        site = site.with_cores_per_worker(arguments.cores_per_worker)
    data = DataRequest(file=arguments.data or "")
    names = ("backbone", "resolution", "batch_size", "steps")
    fields = {name: getattr(arguments, name) for name in names} | {"mode": "train", "learning_rate": 1.0}
    spec = make_spec(site, data, workers=arguments.workers or site.slots, **fields)
    if reason := site.why_not(spec):
        raise InputError(reason)
    provide(data, [spec])
    results = Results(arguments.results or REPOSITORY / "results" / "tune-runtime")
    found = Search(spec, site, results, arguments.minutes).run()
    gain = found.ways.set_index("way").to_dict("index").get("winner")
    told = (
        f"{gain['ratio']:.3f} [{gain['ratio_low']:.3f}, {gain['ratio_high']:.3f}] times the throughput of before"
        if gain
        else "nothing was better beyond doubt than what the site has"
    )
    if arguments.write_site:
        write_runtime(
            found.settings, arguments.write_site, arguments.site, f"dgbench tune-runtime, {spec.name}: {told}"
        )
    if arguments.json:
        shown = {
            "point": spec.name,
            "settings": msgspec.structs.asdict(found.settings),
            "effects": json.loads(found.effects.to_json(orient="records")),
            "ways": json.loads(found.ways.to_json(orient="records")),
            "launches": found.launches,
        }
        print(json.dumps(shown, indent=1))
        return 0
    print(f"{spec.name}: step time with the second setting over that with the first\n")
    print(found.effects.round(3).to_markdown(index=False))
    print(f"\nThe settings found, the site's own, and stock: {told}\n")
    print(found.ways.round(3).to_markdown(index=False))
    print("\n[runtime]", *(f"{k} = {v!r}" for k, v in msgspec.structs.asdict(found.settings).items()), sep="\n")
    if arguments.write_site:
        print(f"wrote {arguments.write_site}")
    return 0
