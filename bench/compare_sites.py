"""Which of several sites' settings train fastest on this machine: all launched together, taking turns.

For site files that differ in their `[runtime]` table, their environment or their launcher. Launched one after the other
their difference would drown in what a shared machine does meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.analysis.turns import ratio, turn_times, way_row
from bench.campaign.campaign import make_spec
from bench.campaign.data import DataRequest, provide
from bench.campaign.site import Site
from bench.execute import summary
from bench.launch.turns import TURN_STEPS, Way, run_in_turn, together, whole_turns
from bench.store.results import Results
from deepgalaxy.console import Progress
from deepgalaxy.errors import InputError
from deepgalaxy.record import RunRecord


def ways(sites: Sequence[Site], data: DataRequest, steps: int, **point: Any) -> list[Way]:
    """The same training on every site. point: fields of its spec; without `workers`, a rank on every slot.

    Raises
    ------
    InputError: fewer than two sites, two of one name, a site with other nodes, a point that does not fit one
    """
    names = [site.name for site in sites]
    if len(set(names)) < max(2, len(names)):
        raise InputError(f"sites {', '.join(names)}: two or more of different names are needed (`name` in each)")
    if distant := next((site for site in sites if site.nodes > 1), None):
        raise InputError(f"site {distant.name} has {distant.nodes} nodes; only ranks on this machine can take turns")
    found = []
    for site in sites:
        workers = point.get("workers") or sites[0].slots
        fields = point | {"mode": "train", "learning_rate": 1.0, "workers": workers}
        spec = make_spec(site, data, steps=whole_turns(steps), turn_steps=TURN_STEPS, **fields)
        if reason := site.why_not(spec):
            raise InputError(f"site {site.name}: {reason}")
        found.append(Way(site.name, spec, site))
    return found


def measure_sites(ways: Sequence[Way], data: DataRequest, results: Results, launches: int) -> pd.DataFrame:
    """Launch all together until the results hold so many launches of each that ended well; see `compare`."""
    provide(data, [way.spec for way in ways])
    note = Progress(1).note
    for number in range(len(together(results, ways)) + 1, launches + 1):
        for way, record in zip(ways, run_in_turn(ways, results), strict=True):
            note(f"{number}, {way.name}: {summary(record)}")
    return compare([way.name for way in ways], together(results, ways))


def compare(names: Sequence[str], groups: Sequence[tuple[RunRecord, ...]]) -> pd.DataFrame:
    """One row a site: step time, throughput, memory, and how many times as fast as the first it is, 95% interval.

    groups: launches that took turns with one another, one of each site in each

    Raises
    ------
    InputError: no such launches
    """
    if not groups:
        raise InputError(f"no launches of {', '.join(names)} together ended well; the launches' folders hold the logs")
    rows = []
    for i, name in enumerate(names):
        values = ratio([(turn_times(group[i]), turn_times(group[0])) for group in groups]) if i else (1.0, 1.0, 1.0)
        rows.append(way_row(name, [group[i] for group in groups], values))
    return pd.DataFrame(rows).rename(columns={"way": "site"})
