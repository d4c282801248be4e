"""The report that commands end with: what was measured, and beside it what the model says of points that were not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench import REPOSITORY
from bench.campaign.campaign import Campaign
from bench.store.results import Results
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Device, Outcome

if TYPE_CHECKING:
    import pandas as pd


def projected_points(
    records: Sequence[RunRecord], missing: Sequence[RunSpec], network: str, baseline_workers: int
) -> list[dict[str, Any]]:
    """Rows of the points that the model can tell something of, see `bench.projection.missing`.

    network: of a site; where it is no profile's name, the paper's is assumed, and every row says so
    """
    from bench.commands.project import NETWORK, fabric_named
    from bench.projection.missing import projected_rows

    name = network if (REPOSITORY / "jobs" / "networks" / f"{network}.toml").is_file() else NETWORK
    gpu = any(spec.device is Device.GPU for spec in missing)
    return projected_rows(records, missing, (name, fabric_named(name, host=not gpu, gpu=gpu)), baseline_workers)


def table_of(rows: Sequence[dict[str, Any]]) -> pd.DataFrame | None:
    """The rows as a report takes them."""
    import pandas as pd

    return pd.DataFrame(rows) if rows else None


def print_report(
    results: Results,
    campaign: Campaign,
    *,
    as_json: bool,
    mixed: bool = False,
    planned: Sequence[RunSpec] = (),
    network: str = "",
) -> None:
    """Write tables, figures and the page of all that is stored, and print the table.

    network: the site's, over which points that were skipped are projected
    """
    from bench.report.report import report

    def foreseen(records: Sequence[RunRecord]) -> pd.DataFrame | None:
        skipped = [record.spec for record in records if record.outcome is Outcome.SKIPPED]
        return table_of(projected_points(records, skipped, network, campaign.baseline_workers)) if skipped else None

    text, files = report(
        results,
        campaign.question,
        campaign.baseline_workers,
        mixed=mixed,
        planned=planned,
        elsewhere=foreseen,
    )
    if as_json:
        import pandas as pd

        table = next((path for path in files if path.suffix == ".csv"), None)
        print(pd.read_csv(table).to_json(orient="records", indent=1) if table else "[]")
        return
    print(text)
    print(*(f"wrote {path}" for path in files), sep="\n")
