"""What the options of `pytest bench/` ask for: a site, and points to measure on it."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.campaign.campaign import make_spec
from bench.campaign.counts import parse_counts
from bench.campaign.data import DataRequest
from bench.campaign.site import Launcher, Site, load_site
from deepgalaxy.errors import InputError, near_names
from deepgalaxy.networks.catalogue import NO_BACKBONE
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Engine, Mode, Precision, possible

BATCHES_PER_STEP = 32
"""A batch loads in a fraction of the time of a step that computes: so many more are measured."""


def asked_site(options: argparse.Namespace) -> Site:
    """The site, with what the command line says otherwise."""
    site = load_site(options.site)
    if options.launcher:
        launcher = _one_of("--launcher", options.launcher, [x.value for x in Launcher])
        site = msgspec.structs.replace(site, launcher=Launcher(launcher))
    return site.with_cores_per_worker(options.cores_per_worker) if options.cores_per_worker else site


def swept(options: argparse.Namespace, site: Site, data: DataRequest, workers: list[int]) -> list[RunSpec]:
    """The cross product of the options, without what can't be combined."""
    axes = {
        "mode": [_one_of("--mode", m, [x.value for x in Mode]) for m in options.mode.split(",")],
        "backbone": options.backbone.split(","),
        "resolution": integers("--resolution", options.resolution),
        "batch_size": integers("--batch-size", options.batch_size),
        "precision": [_one_of("--precision", p, [x.value for x in Precision]) for p in options.precision.split(",")],
        "engine": [_one_of("--engine", e, [x.value for x in Engine]) for e in options.engine.split(",")],
        "workers": workers,
    }
    specs: dict[str, RunSpec] = {}
    for values in itertools.product(*axes.values()):
        fields = dict(zip(axes, values, strict=True)) | {"steps": options.steps, "learning_rate": 1.0}
        if fields["mode"] == Mode.LOAD.value:
            fields |= {"backbone": NO_BACKBONE, "precision": "fp32", "engine": "tensorflow"}
            fields["steps"] *= BATCHES_PER_STEP
        if fields["mode"] == Mode.INFER.value and options.model:
            fields["model"] = str(Path(options.model).resolve())
        if options.yardstick and fields["mode"] != Mode.LOAD.value:
            fields["yardstick"] = True
        if not possible(Engine(fields["engine"]), Precision(fields["precision"])):
            continue  # asked for alone, it is told below
        fields["oversubscribe"] = options.oversubscribe and fields["workers"] > site.slots
        spec = make_spec(site, data, **fields)
        specs.setdefault(spec.key, spec)
    if not specs:
        raise InputError(f"--precision {options.precision} is the Intel extension's: it needs --engine itex")
    return list(specs.values())


def up_to(slots: int) -> list[int]:
    """1, 2, 4, ... and all slots."""
    return parse_counts(f"1:{slots}", "slots")


def _one_of(option: str, given: str, allowed: Sequence[str]) -> str:
    if given not in allowed:
        raise InputError(f"{option}: {near_names('value', given, allowed)}")
    return given


def integers(option: str, text: str) -> list[int]:
    """Whole numbers separated by commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} {text!r} is not a whole number, or several separated by commas") from None
