"""What keeps N ranks on one machine from N times the speed of one: measured against its bound.

Three ways to use all slots, and one rank alone, in turn, several rounds of them, so that the
machine's drifts hit all alike:

  one          one rank, bound to its cores
  ranks        one rank a slot, as this suite runs them
  stock        the same number under plain `horovodrun --gloo -np N` with default settings
  independent  as many processes that exchange nothing: what the machine gives when they only
               share it. Their slowest process sets the bound on the ranks' efficiency.

Ranks that exchange also wait for one another in every step. What that alone costs follows from the independent
processes: `in-step` is as if the i-th step of each had ended with the slowest one's. It is measured steps, put side by
side; ranks that lose no more than that lose to the machine's jitter alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pandas as pd

from bench.analysis.intervals import interval, mean_throughput, throughput_draws
from bench.analysis.scaling import steady_launches
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
from deepgalaxy.words import Outcome, Runtime

WAYS = ("one", "ranks", "stock", "independent")
IN_STEP = "in-step"


def measure_overhead(
    site: Site, results: Results, *, backbone: str, resolution: int, batch_size: int, steps: int, rounds: int
) -> pd.DataFrame:
    """Run every way once a round, and compare all launches that the results hold; see `compare`.

    Raises
    ------
    InputError: a site of one slot, where there is nothing to compare; no round in which all
        ways ended well
    """
    if site.slots < 2:
        raise InputError(f"site {site.name} has 1 slot; two or more are needed to measure what they cost each other")
    fields = {"mode": "train", "backbone": backbone, "resolution": resolution, "batch_size": batch_size}
    base = make_spec(site, DataRequest(), workers=site.slots, steps=steps, learning_rate=1.0, **fields)
    provide(DataRequest(), [base])
    progress = Progress(rounds * len(WAYS))
    for _ in range(rounds):
        for way, spec, launcher in _ways(base, site):
            number, folder = results.new_launch(spec)
            record = run_point(spec, msgspec.structs.replace(site, launcher=launcher), number, folder)
            results.write(record, folder)
            progress.note(f"{way}: {summary(record)}")
    good = [record for record in results.records() if record.outcome is Outcome.OK]
    return compare({way: [r for r in good if r.spec.key == spec.key] for way, spec, _ in _ways(base, site)})


def compare(records: dict[str, list[RunRecord]], seed: int = 0) -> pd.DataFrame:
    """One row a way, and `in-step`: step time, throughput, efficiency relative to `one`, with 95% intervals.

    of_bound: efficiency over that of `in-step`

    Raises
    ------
    InputError: a way without any launch that ended well
    """
    rng = np.random.default_rng(seed)
    for way, launches in records.items():
        if not launches:
            raise InputError(f"no launch of {way!r} ended well; their folders hold the logs")
    ways = {way: steady_launches(launches) for way, launches in records.items()}
    together = ways["independent"]
    ways[IN_STEP] = together._replace(step_times_s=[s.max(axis=0, keepdims=True) for s in together.step_times_s])
    records = records | {IN_STEP: records["independent"]}
    draws = throughput_draws(ways, rng)
    values = {way: mean_throughput(launches) for way, launches in ways.items()}
    rows = []
    for way in records:
        workers = records[way][0].spec.workers
        low, high = interval(draws[way] / draws["one"] / workers)
        alone = way == "one"
        rows.append(
            {
                "way": way,
                "workers": workers,
                "step_time_s": records[way][0].spec.global_batch_size / values[way],
                "throughput_images_per_s": values[way],
                "efficiency": values[way] / values["one"] / workers,
                "efficiency_low": 1.0 if alone else low,
                "efficiency_high": 1.0 if alone else high,
                "of_bound": np.nan if alone else values[way] / values[IN_STEP],
                "launches": len(records[way]),
                "provenance": records[way][0].provenance.value,
            }
        )
    return pd.DataFrame(rows)


def _ways(base: RunSpec, site: Site) -> Iterator[tuple[str, RunSpec, Launcher]]:
    change = msgspec.structs.replace
    yield "one", change(base, workers=1, workers_per_node=1), site.launcher
    yield "ranks", base, site.launcher
    yield "stock", change(base, runtime=Runtime.STOCK), Launcher.HOROVODRUN
    yield "independent", change(base, exchange=False), site.launcher
