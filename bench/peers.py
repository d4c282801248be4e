"""This suite's training beside other ways to train the same network: how much faster, with intervals.

Launches in turn, a round of all ways at a time and every second round backwards, so that whatever the machine does
hits all alike:

  ours          this suite, its data pipeline and its own settings
  horovod-tape  as Horovod's synthetic benchmark, with settings and environment as they come
  keras-fit     as the original DeepGalaxy, likewise (`deepgalaxy.peers`)

The peers are started by `horovodrun --gloo`, which sets nothing but Horovod's own variables; ours by the site's
launcher.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from bench.analysis.intervals import mean_throughput
from bench.analysis.operators import FIRST_STEP_PHASES
from bench.analysis.ratio import round_ratio
from bench.analysis.scaling import steady_launches, steady_steps
from bench.campaign.campaign import make_spec
from bench.campaign.data import DataRequest, provide
from bench.campaign.site import Launcher, Site
from bench.execute import summary
from bench.launch.run import run_point
from bench.store.results import Results
from deepgalaxy.console import Progress
from deepgalaxy.errors import InputError
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Outcome, Runtime, Trainer

OURS = "ours"
PEERS = (Trainer.HOROVOD_TAPE, Trainer.KERAS_FIT)
WAYS = (OURS, *(peer.value for peer in PEERS))


class Case(NamedTuple):
    """What is trained: images of `resolution` pixels, `batch_size` a worker and step, `cores` a worker."""

    backbone: str
    resolution: int
    batch_size: int
    workers: int
    cores: int

    @classmethod
    def parse(cls, text: str) -> Case:
        """From BACKBONE:RESOLUTION:BATCH:WORKERS:CORES.

        Raises
        ------
        InputError: not of that form
        """
        backbone, *numbers = text.split(":")
        if len(numbers) != 4 or not all(number.isdigit() for number in numbers):
            raise InputError(
                f"--cases {text}: each is BACKBONE:RESOLUTION:BATCH:WORKERS:CORES, e.g. EfficientNetB0:128:8:2:1"
            )
        return cls(backbone, *map(int, numbers))


class Way(NamedTuple):
    """One way to train a case: the point, and the site with what starts it."""

    name: str
    spec: RunSpec
    site: Site


def ways(case: Case, site: Site, data: DataRequest, steps: int) -> list[Way]:
    """All ways to train a case.

    Raises
    ------
    InputError: a case that is impossible, or does not fit the site
    """
    base = make_spec(
        site,
        data,
        mode="train",
        backbone=case.backbone,
        resolution=case.resolution,
        batch_size=case.batch_size,
        workers=case.workers,
        cores_per_worker=case.cores,
        steps=steps,
        learning_rate=1.0,
    )
    if reason := site.why_not(base):
        raise InputError(f"case {':'.join(map(str, case))}: {reason}")
    plain = msgspec.structs.replace(site, launcher=Launcher.HOROVODRUN)
    others = [(peer, msgspec.structs.replace(base, trainer=peer, runtime=Runtime.STOCK)) for peer in PEERS]
    return [Way(OURS, base, site), *(Way(peer.value, spec, plain) for peer, spec in others)]


def measure_peers(
    site: Site,
    results: Results,
    cases: Sequence[Case],
    *,
    launches: int,
    steps: int,
    data: DataRequest | None = None,
) -> pd.DataFrame:
    """Launch every way of every case until the results hold `launches` rounds of it, and compare; see `compare`.

    Launches that are there already and ended well count: an interrupted measurement goes on.

    Raises
    ------
    InputError: a case that does not fit; a way of which no launch ended well
    """
    data = data or DataRequest()
    planned = {case: ways(case, site, data, steps) for case in cases}
    provide(data, [way.spec for found in planned.values() for way in found])
    note = Progress(1).note
    for number in range(1, launches + 1):
        for found in planned.values():
            for way in found[:: 1 if number % 2 else -1]:
                if len(_launched(results, way)) < number:
                    _launch(results, way, note)
    tables = [compare({way.name: _launched(results, way) for way in planned[case]}) for case in cases]
    return pd.concat(tables, ignore_index=True)


def case_of(spec: RunSpec) -> Case:
    """The case that a point of our own is."""
    return Case(spec.backbone, spec.resolution, spec.batch_size, spec.workers, spec.cores_per_worker)


def steps_of(site: Site, results: Results, case: Case, steps: int, data: DataRequest) -> dict[str, list[float]]:
    """Steady steps of each way's stored launches, seconds, each the slowest rank's."""
    return {
        way.name: [float(seconds) for record in _launched(results, way) for seconds in steady_steps(record).max(axis=0)]
        for way in ways(case, site, data, steps)
    }


def compare(records: dict[str, list[RunRecord]], seed: int = 0) -> pd.DataFrame:
    """One row a way of one case: step time, throughput, memory, time to the first step, and how much faster ours is.

    records: launches that ended well, in the order of rounds; what one way has more of than ours is left out
    ratio: throughput of ours over the way's, geometric mean over rounds with 95% interval
        (`bench.analysis.ratio.round_ratio`), 1 for ours

    Raises
    ------
    InputError: a way of which no launch ended well
    """
    rng = np.random.default_rng(seed)
    rows = []
    for way, launches in records.items():
        if not launches:
            raise InputError(f"no launch of {way!r} ended well; the launches' folders hold the logs")
        rounds = min(len(launches), len(records[OURS]))
        mine, theirs = records[OURS][:rounds], launches[:rounds]
        point = steady_launches(theirs)
        ratio = (1.0, 1.0, 1.0) if way == OURS else round_ratio(steady_launches(mine), point, rng)
        rows.append(_case_columns(theirs[0].spec) | {"way": way} | _figures(theirs, mean_throughput(point), ratio))
    return pd.DataFrame(rows)


def _case_columns(spec: RunSpec) -> dict[str, Any]:
    names = ("backbone", "resolution", "batch_size", "workers", "cores_per_worker")
    return {name: getattr(spec, name) for name in names}


def _figures(launches: Sequence[RunRecord], speed: float, ratio: tuple[float, float, float]) -> dict[str, Any]:
    ranks = [rank for record in launches for rank in record.ranks]
    first = [sum(rank.phase_time_s.get(phase, 0.0) for phase in FIRST_STEP_PHASES) for rank in ranks]
    return {
        "launches": len(launches),
        "step_time_s": launches[0].spec.global_batch_size / speed,
        "throughput_images_per_s": speed,
        "ratio": ratio[0],
        "ratio_low": ratio[1],
        "ratio_high": ratio[2],
        "peak_rss_bytes": max(rank.peak_rss_bytes for rank in ranks),
        "first_step_s": float(np.median(first)),
        "provenance": launches[0].provenance.value,
    }


def _launch(results: Results, way: Way, note: Callable[[str], None]) -> None:
    """Launch once and store what becomes of it, interrupted or not."""
    number, folder = results.new_launch(way.spec)
    try:
        record = run_point(way.spec, way.site, number, folder)
    except KeyboardInterrupt as error:
        if error.args:
            results.write(error.args[0], folder)
        raise
    results.write(record, folder)
    note(f"{way.name}: {summary(record)}")


def _launched(results: Results, way: Way) -> list[RunRecord]:
    """Launches of a way that ended well, oldest first."""
    found = [r for r in results.records() if (r.spec.key, r.site) == (way.spec.key, way.site.name)]
    return [record for record in found if record.outcome is Outcome.OK]
