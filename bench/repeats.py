"""More launches of a campaign's points until their intervals are as narrow as it asks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.analysis.scaling import scaling_table
from bench.campaign.campaign import Campaign
from bench.campaign.site import Site
from bench.execute import Terms, measure
from bench.store.results import Results
from deepgalaxy.console import Progress
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Outcome

FEWEST_LAUNCHES = 2
"""One launch knows nothing of how launches differ, however narrow its own interval is."""


def until_narrow(
    campaign: Campaign, site: Site, results: Results, specs: Sequence[RunSpec], terms: Terms
) -> list[RunRecord]:
    """Launch the points again whose 95% interval of throughput is wider than `until_interval`, all once a round.

    Ends when none is, each has `most_repeats` launches, the campaign's node-hours are spent, the allocation's time is
    over, or a round has brought nothing.
    """
    records: list[RunRecord] = []
    while True:
        known = list(results.records())  # other harnesses' as well
        wide = too_wide(known, specs, campaign.until_interval, campaign.most_repeats)
        if not wide:
            break
        spent = sum(record.wall_s * site.nodes_for(record.spec) for record in known) / 3600
        if campaign.budget_node_hours and spent >= campaign.budget_node_hours:
            Progress(1).note(f"{len(wide)} intervals stay wide: {spent:.1f} node-hours are spent, the budget")
            break
        Progress(1).note(f"{len(wide)} of {len(specs)} intervals exceed +-{campaign.until_interval:.1%}: once more")
        new = measure(wide, site, results, campaign.data, terms)
        records += new
        if not any(record.outcome is Outcome.OK for record in new):
            break
    return records


def too_wide(
    records: Sequence[RunRecord], specs: Sequence[RunSpec], until_interval: float, most_repeats: int
) -> list[RunSpec]:
    """Points that ended well and whose interval of throughput reaches further than this share to either side."""
    keys = {spec.key for spec in specs}
    table = scaling_table([record for record in records if record.spec.key in keys], baseline_workers=1)
    wide = set()
    for row in table.to_dict("records"):
        half = (row["throughput_high"] - row["throughput_low"]) / 2 / row["throughput_images_per_s"]
        unsure = row["launches"] < FEWEST_LAUNCHES or math.isnan(half) or half > until_interval
        if row["outcome"] == Outcome.OK.value and unsure and row["launches"] < most_repeats:
            wide.add(row["key"])
    return [spec for spec in specs if spec.key in wide]
