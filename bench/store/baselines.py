"""Baselines: measured points that later ones are held against, `results/baselines/<site>/<name>.json`, kept in git."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from bench import REPOSITORY
from bench.analysis.comparable import facts, require_comparable, require_distinct
from bench.analysis.gate import Point, points
from bench.store.results import write_atomically
from deepgalaxy.errors import InputError, near_names
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import read_json
from deepgalaxy.words import Outcome

FEWEST_LAUNCHES = 2

BASELINES = REPOSITORY / "results" / "baselines"


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What a baseline was before another was put in its place."""

    created_utc: str
    facts: dict[str, Any]
    points: list[Point]


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Points of one site. facts: what matters of its machine and software

    expected_failures: names of points that may lack data or be slower without failing a check
    """

    site: str
    name: str
    created_utc: str
    facts: dict[str, Any]
    points: list[Point]
    expected_failures: list[str] = []
    history: list[Past] = []
    schema: int = 2


def from_records(site: str, name: str, records: list[RunRecord], expected_failures: list[str]) -> Baseline:
    """A baseline of all measured points of a site.

    Raises
    ------
    InputError: none, points with a single launch, a name of an expected failure that no point has, records that do not
        belong together or were not measured
    """
    mine = [record for record in records if record.site == site]
    require_distinct(mine)
    require_comparable(mine)
    found = points(mine)
    if not found:
        raise InputError(f"there is no measured point of site {site} to make a baseline of")
    for point in found:
        if min(map(len, point.values.values())) < FEWEST_LAUNCHES:
            raise InputError(f"{point.name} has one launch; a baseline needs {FEWEST_LAUNCHES} or more of every point")
    unknown = set(expected_failures) - {point.name for point in found}
    if unknown:
        raise InputError(f"expected failure {sorted(unknown)[0]!r} is none of the points")
    good = next(record for record in mine if record.outcome is Outcome.OK)
    return Baseline(
        site=site,
        name=name,
        created_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        facts=facts(good),
        points=found,
        expected_failures=expected_failures,
    )


def promoted(new: Baseline, old: Baseline) -> Baseline:
    """The new one, with the old one in its history."""
    past = Past(created_utc=old.created_utc, facts=old.facts, points=old.points)
    return msgspec.structs.replace(new, history=[past, *old.history])


def path(site: str, name: str) -> Path:
    """Where a baseline of that name goes."""
    return BASELINES / site / f"{name}.json"


def locate(site: str, name: str) -> Path:
    """The file of a baseline that there is.

    Raises
    ------
    InputError: there is none of that name
    """
    found = path(site, name)
    if not found.is_file():
        names = sorted(p.stem for p in found.parent.glob("*.json"))
        raise InputError(near_names(f"baseline of {site}", name, names))
    return found


def read(path: Path) -> Baseline:
    """A baseline from its file.

    Raises
    ------
    InputError: missing, or damaged
    """
    return read_json(path, Baseline)


def write(path: Path, baseline: Baseline) -> None:
    """Write it, at once and whole."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(baseline), indent=1) + b"\n")


def require_same_facts(baseline: Baseline, records: list[RunRecord]) -> None:
    """See to it that records come from a machine and software like the baseline's.

    Raises
    ------
    InputError: they do not; names the fact and both values
    """
    for record in records:
        if record.site == baseline.site and record.outcome is Outcome.OK:
            for name, value in facts(record).items():
                if name in baseline.facts and baseline.facts[name] != value:
                    was = f"baseline {baseline.name} was measured with {name} {baseline.facts[name]!r}"
                    raise InputError(f"{was}, these records with {value!r}; --mixed compares them all the same")
