"""Can the gate be trusted on this machine? Real launches of equal and of slowed workers, and what it says of them.

A trial is four groups of launches: the reference, the same code again, and workers slowed by known shares
(`deepgalaxy.probe.SLOWDOWN`). The gate holds each of the latter against the trial's reference. Groups get their first
launches all round, then their second, as the points of a campaign with repeats do: a group then holds what the
machine drifts by within the time, which launches one after the other would not show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from bench.analysis.gate import SPEED, SPEED_BY_YARDSTICK, Comparison, Verdict, compare, points
from bench.campaign.campaign import make_spec
from bench.campaign.data import DataRequest, provide
from bench.campaign.site import Site
from bench.execute import summary
from bench.launch.run import run_point
from bench.store.results import Results
from deepgalaxy.console import Progress
from deepgalaxy.errors import InputError
from deepgalaxy.probe import SLOWDOWN
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Outcome

REFERENCE, AGAIN = "reference", "same code again"


def measure_trials(
    site: Site, folder: Path, spec: RunSpec, *, trials: int, launches: int, slowdowns: Sequence[float], effect: float
) -> pd.DataFrame:
    """Run what is missing of so many trials, and tell what the gate said in all of them; see `told`.

    Groups lie in folders of their own below `folder`; a second call goes on where the first was stopped.
    """
    provide(DataRequest(), [spec])
    groups = {name: Results(folder / name.replace(" ", "-")) for name in _groups(slowdowns)}
    good = {name: _good(results) for name, results in groups.items()}
    progress = Progress(trials * launches * len(groups))
    for number in range(trials * launches):
        for name, slowdown in _groups(slowdowns).items():
            if len(good[name]) > number:
                continue
            slowed = msgspec.structs.replace(site, environment=site.environment | {SLOWDOWN: str(slowdown)})
            launch, place = groups[name].new_launch(spec)
            record = run_point(spec, slowed, launch, place)
            groups[name].write(record, place)
            progress.note(f"{number + 1}, {name}: {summary(record)}")
            if record.outcome is not Outcome.OK:
                raise InputError(f"a launch of {name} ended as {record.outcome.value}: {record.reason}")
            good[name].append(record)
    return told(good, launches, effect)


def told(groups: dict[str, list[RunRecord]], launches: int, effect: float) -> pd.DataFrame:
    """One row a group that is held against the reference: how often each verdict on its speed was given.

    groups: launches of each, in the order in which they ran; ratio: median over trials, to the reference; spread:
        standard deviation of the logarithm of launches' speed, by the clock and by the yardstick where there is one
    """
    rows = []
    for name, records in groups.items():
        if name != REFERENCE:
            rulings = list(_rulings(records, groups[REFERENCE], launches, effect))
            counted = Counter(ruling.verdict for ruling in rulings)
            rows.append(
                {"workers are": name, "trials": len(rulings)}
                | {verdict.value: counted[verdict] for verdict in Verdict if verdict is not Verdict.NO_DATA}
                | {"ratio": float(np.median([ruling.ratio for ruling in rulings])) if rulings else np.nan}
                | _spreads(records)
                | {"launches a side": launches, "provenance": records[0].provenance.value if records else ""}
            )
    return pd.DataFrame(rows)


def _spreads(records: list[RunRecord]) -> dict[str, float]:
    values = points(records)[0].values if len(records) > 1 else {}
    names = {"spread by the clock": SPEED, "spread by the yardstick": SPEED_BY_YARDSTICK}
    return {name: float(np.std(np.log(values[metric]), ddof=1)) for name, metric in names.items() if metric in values}


def _rulings(
    records: list[RunRecord], reference: list[RunRecord], launches: int, effect: float
) -> Iterator[Comparison]:
    trials = min(len(records), len(reference)) // launches
    for trial in range(trials):  # launches of one trial lie `trials` apart
        now, then = (points(side[trial : trials * launches : trials]) for side in (records, reference))
        yield next(row for row in compare(now, then, effect) if row.metric in (SPEED, SPEED_BY_YARDSTICK))


def _groups(slowdowns: Sequence[float]) -> dict[str, float]:
    return {REFERENCE: 0.0, AGAIN: 0.0} | {f"slowed by {share:.0%}": share for share in slowdowns}


def _good(results: Results) -> list[RunRecord]:
    records = [record for record in results.records() if record.outcome is Outcome.OK]
    return sorted(records, key=lambda record: record.launch)


def trial_spec(site: Site, backbone: str, resolution: int, batch_size: int, steps: int) -> RunSpec:
    """What is launched: training on one worker, the quickest real run there is."""
    fields = {"mode": "train", "backbone": backbone, "resolution": resolution, "batch_size": batch_size}
    return make_spec(site, DataRequest(), workers=1, steps=steps, learning_rate=1.0, yardstick=True, **fields)
