"""This suite's training beside other ways to train the same network: how much faster, with intervals.

Ours is launched with each of the others, and the two train by turns (`bench.launch.turns`), so that whatever the
machine does hits both alike:

  ours          this suite, its data pipeline and its own settings
  horovod-tape  as Horovod's synthetic benchmark, with settings and environment as they come
  keras-fit     as the original DeepGalaxy, likewise (`deepgalaxy.peers`)

The peers are started by `horovodrun --gloo`, which sets nothing but Horovod's own variables; ours by the site's
launcher.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from bench.analysis.operators import FIRST_STEP_PHASES
from bench.analysis.turns import by_turns, ratio, turn_times, way_row
from bench.campaign.campaign import make_spec
from bench.campaign.data import DataRequest, provide
from bench.campaign.site import Launcher, Site
from bench.execute import summary
from bench.launch.turns import TURN_STEPS, Way, run_in_turn, together, whole_turns
from bench.store.results import Results
from deepgalaxy.console import Progress
from deepgalaxy.errors import InputError
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Runtime, Trainer

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


def ways(case: Case, site: Site, data: DataRequest, steps: int) -> list[Way]:
    """All ways to train a case, for so many steps or the few more that make whole turns.

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
        steps=whole_turns(steps),
        turn_steps=TURN_STEPS,
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
    """Launch ours with every other way of every case until the results hold `launches` such pairs; see `compare`.

    Pairs that are there already and ended well count: an interrupted measurement goes on.

    Raises
    ------
    InputError: a case that does not fit; a way of which no launch ended well
    """
    data = data or DataRequest()
    planned = {case: ways(case, site, data, steps) for case in cases}
    provide(data, [way.spec for found in planned.values() for way in found])
    note = Progress(1).note
    for number in range(1, launches + 1):
        for ours, *others in planned.values():
            for other in others:
                if len(together(results, [ours, other])) < number:
                    both = [ours, other] if number % 2 else [other, ours]
                    for way, record in zip(both, run_in_turn(both, results), strict=True):
                        note(f"{number}, {way.name}: {summary(record)}")
    tables = []
    for ours, *others in planned.values():
        tables.append(compare({other.name: together(results, [ours, other]) for other in others}))
    return pd.concat(tables, ignore_index=True)


def case_of(spec: RunSpec) -> Case:
    """The case that a point of our own is."""
    return Case(spec.backbone, spec.resolution, spec.batch_size, spec.workers, spec.cores_per_worker)


def steps_of(site: Site, results: Results, case: Case, steps: int, data: DataRequest) -> dict[str, list[float]]:
    """Steps of each way's stored launches that are compared, seconds, each the slowest rank's."""
    ours, *others = ways(case, site, data, steps)
    found = {other.name: together(results, [ours, other]) for other in others}
    records = {OURS: [mine for both in found.values() for mine, _ in both]}
    records |= {name: [theirs for _, theirs in both] for name, both in found.items()}
    return {
        name: np.concatenate([by_turns(r).max(axis=0).ravel() for r in kept]).tolist() for name, kept in records.items()
    }


def compare(found: dict[str, list[tuple[RunRecord, ...]]]) -> pd.DataFrame:
    """One row a way of one case: step time, throughput, memory, time to the first step, and how much faster ours is.

    found: by way, launches of ours with those of the way that took turns with them
    ratio: how many times as long a turn of the way takes as ours, with 95% interval (`bench.analysis.turns.ratio`)

    Raises
    ------
    InputError: a way of which no launch ended well
    """
    for way, both in found.items():
        if not both:
            raise InputError(f"no launch of {way!r} beside ours ended well; the launches' folders hold the logs")
    rows = [_row(OURS, [mine for both in found.values() for mine, _ in both], (1.0, 1.0, 1.0))]
    for way, both in found.items():
        values = ratio([(turn_times(mine), turn_times(theirs)) for mine, theirs in both])
        rows.append(_row(way, [theirs for _, theirs in both], values))
    return pd.DataFrame(rows)


def _row(way: str, launches: Sequence[RunRecord], values: tuple[float, float, float]) -> dict[str, Any]:
    ranks = [rank for record in launches for rank in record.ranks]
    first = [sum(rank.phase_time_s.get(phase, 0.0) for phase in FIRST_STEP_PHASES) for rank in ranks]
    row = way_row(way, launches, values)
    return _case_columns(launches[0].spec) | row | {"first_step_s": float(np.median(first))}


def _case_columns(spec: RunSpec) -> dict[str, Any]:
    names = ("backbone", "resolution", "batch_size", "workers", "cores_per_worker")
    return {name: getattr(spec, name) for name in names}
