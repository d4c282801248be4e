"""What keeps N ranks on one machine from N times the speed of one: measured against its bound.

Four ways to use all slots, and one rank alone:

  one          one rank, bound to its cores
  ranks        one rank a slot, as this suite runs them
  independent  as many processes that exchange nothing: what the machine gives when they only
               share it. Their slowest process sets the bound on the ranks' efficiency.
  meeting      the same, but they wait for one another after every step, by MPI's barrier alone;
               left out where the machine has not the memory for all of them at once
  stock        ranks under plain `horovodrun --gloo -np N` with default settings

The first four train by turns (`bench.launch.turns`), and the last with `one` again, so that the machine's drifts hit
all alike. Ranks that exchange also wait for one another in every step. What that alone costs follows from the
independent processes: `in-step` is as if the i-th step of each had ended with the slowest one's. It is measured steps,
put side by side; ranks that lose no more than that lose to the machine's jitter alone. `meeting` says the same by
doing it: between it and `ranks` lies what the exchange costs, and before it what the processes do to one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from bench.analysis.intervals import with_interval
from bench.analysis.turns import Floats, in_step_times, ratio, turn_times, way_row
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
from deepgalaxy.words import Runtime, counted

ONE, RANKS, INDEPENDENT, MEETING, STOCK, IN_STEP = "one", "ranks", "independent", "meeting", "stock", "in-step"

OURS = (ONE, RANKS, INDEPENDENT, MEETING)
"""The ways of a group, in this order, the last of which may be missing; the other group is one and stock."""

Group = tuple[RunRecord, ...]
"""Launches that took turns with one another."""


def measure_overhead(
    site: Site, results: Results, *, backbone: str, resolution: int, batch_size: int, steps: int, rounds: int
) -> pd.DataFrame:
    """Run every way so many times, and compare all launches that the results hold; see `compare`.

    Raises
    ------
    InputError: a site of one slot, where there is nothing to compare; no launches of a group in which all ended well
    """
    if site.slots < 2:
        raise InputError(f"site {site.name} has 1 slot; two or more are needed to measure what they cost each other")
    fields = {"mode": "train", "backbone": backbone, "resolution": resolution, "batch_size": batch_size}
    fields |= {"steps": whole_turns(steps), "turn_steps": TURN_STEPS, "learning_rate": 1.0}
    base = make_spec(site, DataRequest(), workers=site.slots, **fields)
    ours, stock = ways(base, site)
    note = Progress(1).note
    now = ours
    if too_much := _beyond_memory(ours, site):
        now = ours[:-1]
        note(f"{MEETING!r} is left out: {too_much}")
    if rounds:
        provide(DataRequest(), [base])
    for number in range(1, rounds + 1):
        for group in (now, stock):
            for way, record in zip(group, run_in_turn(group, results), strict=True):
                note(f"{number}, {way.name}: {summary(record)}")
    return compare([*together(results, ours), *together(results, ours[:-1])], together(results, stock))


def _beyond_memory(group: Sequence[Way], site: Site) -> str:
    """Why the machine can't hold all these ways' processes at once; empty where it can, or nobody knows."""
    from bench.store.memory import load_of, model_of  # SciPy loads with it

    model = model_of(())
    needed = 0.0
    for way in group:
        load = load_of(way.spec)
        if load is None or not model.knows(load):
            return ""
        needed += way.spec.workers * model.predict(load)[0]
    if needed <= site.memory_per_node_bytes:
        return ""
    count = counted(sum(way.spec.workers for way in group), "process", "processes")
    has = site.memory_per_node_bytes / 2**30
    return f"{count} at once need {needed / 2**30:.0f} GiB by prediction, the machine has {has:.0f}"


def ways(base: RunSpec, site: Site) -> tuple[list[Way], list[Way]]:
    """The ways that take turns: one, ranks, independent and meeting; one and stock. base: a rank on every slot."""
    change = msgspec.structs.replace
    one = Way(ONE, change(base, workers=1, workers_per_node=1), site)
    apart = change(base, exchange=False)
    plain = change(site, launcher=Launcher.HOROVODRUN)
    return (
        [one, Way(RANKS, base, site), Way(INDEPENDENT, apart, site), Way(MEETING, change(apart, meet=True), site)],
        [one, Way(STOCK, change(base, runtime=Runtime.STOCK), plain)],
    )


def compare(ours: Sequence[Group], stock: Sequence[Group]) -> pd.DataFrame:
    """One row a way: step time, throughput, efficiency relative to `one` and to its bounds, with 95% intervals.

    ours: launches of one, ranks, independent and, maybe, meeting that took turns; stock: of one and stock
    of_bound: throughput over that of `in-step`; of_meeting: over that of `meeting`

    Raises
    ------
    InputError: no such launches
    """
    for name, groups in ((RANKS, ours), (STOCK, stock)):
        if not groups:
            raise InputError(f"no launch of {name!r} beside one rank ended well; the launches' folders hold the logs")

    def beside(other: str, name: str) -> list[Group]:
        i, j = OURS.index(other), OURS.index(name)
        return [(group[i], group[j]) for group in ours if max(i, j) < len(group)]

    rows = [_row(name, beside(ONE, name), turn_times) for name in OURS if beside(ONE, name)]
    rows.insert(OURS.index(MEETING), _row(IN_STEP, beside(ONE, INDEPENDENT), in_step_times))
    for row in rows:
        name = row["way"]
        bounded = beside(INDEPENDENT, name) if name in OURS[1:] else []
        met = beside(MEETING, RANKS) if name == RANKS else []
        row |= _share("of_bound", bounded, in_step_times) | _share("of_meeting", met, turn_times)
    return pd.DataFrame([*rows, _row(STOCK, list(stock), turn_times)])


def _share(called: str, pairs: Sequence[Group], bound: Callable[[RunRecord], Floats]) -> dict[str, float]:
    """Throughput of the second of each pair over that of the first, whose turns `bound` says; NaN without pairs."""
    values = ratio([(turn_times(mine), bound(its)) for its, mine in pairs]) if pairs else (np.nan, np.nan, np.nan)
    return with_interval(called, values)


def _row(way: str, pairs: Sequence[Group], times: Callable[[RunRecord], Floats]) -> dict[str, Any]:
    """pairs: one rank's launches, each with the way's that took turns with it; times: of the way's turns, seconds"""
    launches = [record for _, record in pairs]
    efficiency = ratio([(times(record), turn_times(one)) for one, record in pairs]) if way != ONE else (1.0, 1.0, 1.0)
    return {"way": way, "workers": launches[0].spec.workers} | way_row(way, launches, efficiency, times, "efficiency")
