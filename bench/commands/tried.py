"""What `dgbench project` is tried on: published records, and measured points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from deepgalaxy.errors import InputError

if TYPE_CHECKING:
    from deepgalaxy.record import RunRecord


FIRST_PRINCIPLES = "first principles"


def fit_measured(folder: Path, workers: list[int], baseline: int, *, network: str, per_node: int, as_json: bool) -> int:
    """Fit laws to the measured efficiencies of a folder of results, and print them at these counts.

    Beside them what the model says from the baseline's step alone, over a network whose links `per_node` workers share.
    """
    from bench.analysis.scaling import CURVE, scaling_table
    from bench.projection.fits import fit
    from bench.store.results import Results

    if not (folder / "runs").is_dir():
        raise InputError(f"--fit {folder} is no folder of results: it has no runs")
    records = list(Results(folder).records())
    table = scaling_table(records, baseline)
    known = table[table["efficiency"].notna() & ~table["oversubscribed"]] if len(table) else table
    found = []
    for key, curve in known.groupby(CURVE, sort=False) if len(known) else ():
        points = [
            (int(row["workers"]), row["efficiency"], (row["efficiency_high"] - row["efficiency_low"]) / 3.92)
            for row in curve.to_dict("records")
        ]
        named = dict(zip(CURVE, key, strict=True))
        found += [
            row | {"curve": f"{named['mode']} {named['backbone']} {named['resolution']}px"}
            for row in fit(points, workers)
        ]
        found += _first_principles(records, named, workers, baseline, network, per_node)
    if not found:
        raise InputError(f"{folder} has no curve with two measured counts and baseline {baseline}")
    if as_json:
        print(json.dumps(found, indent=1))
        return 0
    for row in sorted(found, key=lambda row: (row["curve"], row["law"], row["workers"])):
        far = (
            f"  EXTRAPOLATED {row['extrapolation']:.3g} times beyond the largest measured count"
            if row["extrapolation"] > 1
            else ""
        )
        print(
            f"{row['curve']}  {row['law']:<25} {row['workers']:>6} workers: efficiency {row['efficiency']:.2f} "
            f"[{row['efficiency_low']:.2f}, {row['efficiency_high']:.2f}] projected{far}"
        )
    return 0


def _first_principles(
    records: list[RunRecord], named: dict[str, Any], workers: list[int], baseline: int, network: str, per_node: int
) -> list[dict[str, Any]]:
    """Rows as the fitted laws have them, for one curve."""
    from bench.analysis.scaling import curve
    from bench.commands.reporting import projected_points

    own = [record for record in records if curve(record) == named]
    specs = [
        msgspec.structs.replace(own[0].spec, workers=count, workers_per_node=min(count, per_node)) for count in workers
    ]
    most = max(record.spec.workers for record in own)
    return [
        {name: row[name] for name in ("workers", "efficiency", "efficiency_low", "efficiency_high", "provenance")}
        | {
            "law": FIRST_PRINCIPLES,
            "extrapolation": row["workers"] / most,
            "curve": f"{named['mode']} {named['backbone']} {named['resolution']}px",
        }
        for row in projected_points(own, specs, network, baseline)
    ]


def validate(path: Path, *, as_json: bool, leave_one_out: bool) -> int:
    """Predict the records of a file from their stated inputs, and print how far off that is."""
    import numpy as np

    from bench.projection.constants import PRIOR, Constants
    from bench.projection.published import predict

    records = _records(path)
    rows = [row for record in records for row in predict(record, Constants())]
    if not rows:
        raise InputError(f"{path} has no point beyond its record's baseline to predict")
    for row in rows:
        row["predicted_efficiency"] = float(row["predicted_efficiency"])
        row["error"] = row["predicted_efficiency"] - row["published_efficiency"]
    errors = np.abs([row["error"] for row in rows])
    summary: dict[str, Any] = {"points": len(rows), "median": float(np.median(errors))}
    summary |= {"90th percentile": float(np.quantile(errors, 0.9)), "largest": float(errors.max())}
    if leave_one_out:
        from bench.projection.joint import leave_one_source_out

        left = np.abs(np.concatenate(list(leave_one_source_out(records, PRIOR).values())))
        summary["each source left out: median"] = float(np.median(left))
        summary["each source left out: 90th percentile"] = float(np.quantile(left, 0.9))
    if as_json:
        print(json.dumps({"rows": rows, "summary": summary}, indent=1))
        return 0
    _print_validation(rows, summary)
    return 0


def _print_validation(rows: list[dict[str, Any]], summary: dict[str, Any]) -> None:
    source = None
    for row in sorted(rows, key=lambda r: (r["source"], r["id"], r["workers"])):
        if row["source"] != source:
            source = row["source"]
            print(f"\n{source}")
        print(
            f"  {row['id'][:48]:<48} {row['workers']:>5} over {row['baseline_workers']:<3} predicted "
            f"{row['predicted_efficiency']:.3f}  published {row['published_efficiency']:.3f}  error {row['error']:+.3f}"
        )
        for note in row["notes"]:
            print(f"      {note}")
    told = ", ".join(f"{name} {value:.3f}" for name, value in summary.items() if name != "points")
    print(f"\nabsolute error of efficiency over {summary['points']} points: {told}")


def _records(path: Path) -> list[dict[str, Any]]:
    """Records of a file in the form of results/published/scaling.json."""
    try:
        content = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--validate {path}: {getattr(error, 'strerror', None) or error}") from None
    except json.JSONDecodeError as error:
        raise InputError(f"--validate {path} is no JSON: {error}") from None
    records = content.get("records") if isinstance(content, dict) else content
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError(
            f"--validate {path}: `records` is no list of records, as results/published/scaling.json has it"
        )
    return records
