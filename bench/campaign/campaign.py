"""A campaign: the points that answer one question, from a TOML file."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from bench import REPOSITORY
from bench.campaign.data import DataRequest, data_file
from bench.campaign.files import named_file, read_toml
from bench.campaign.site import Site
from deepgalaxy.errors import InputError, near_names
from deepgalaxy.spec import RunSpec

FIELDS = (
    *("steps", "warmup_steps", "optimizer", "learning_rate", "seed", "classes"),
    *("mode", "backbone", "resolution", "batch_size", "precision", "engine", "cores_per_worker", "workers"),
)
"""What a campaign can set or sweep, the last innermost."""

WHOLE_NODE = "node"


class Campaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a campaign file says.

    question: what the campaign answers, one sentence
    baseline_workers: the count that speedup and efficiency are relative to
    data: the mergers to simulate, or a file
    points: tables of fields; a list is swept, and each table gives the cross product of its lists;
        `cores_per_worker = "node"` is all cores of a node
    settings: fields of all tables; a table's own win
    """

    name: str
    question: str
    baseline_workers: int
    data: DataRequest
    points: list[dict[str, Any]]
    settings: dict[str, Any] = {}


def load_campaign(name_or_file: str) -> Campaign:
    """A campaign by its name in jobs/campaigns or by its file.

    Raises
    ------
    InputError: no such campaign, or fields that are unknown or wrong
    """
    path = named_file(name_or_file, REPOSITORY / "jobs" / "campaigns", "campaign")
    campaign = read_toml(path, Campaign)
    for field in (name for table in (campaign.settings, *campaign.points) for name in table):
        if field not in FIELDS:
            raise InputError(f"{path}: {near_names('field', field, FIELDS)}")
    return campaign


def expand(campaign: Campaign, site: Site, oversubscribe: bool = False) -> list[RunSpec]:
    """Every point once, neighbours in the file next to each other, worker counts innermost.

    Ranks of one curve run one after the other, so that slow drifts of the machine hit them alike.

    Raises
    ------
    InputError: a value out of its range
    """
    specs: dict[str, RunSpec] = {}
    for table in campaign.points:
        fields = campaign.settings | table
        names = [name for name in FIELDS if name in fields]
        axes = [v if isinstance(v := fields[name], list) else [v] for name in names]
        for values in itertools.product(*axes):
            spec = make_spec(
                site,
                campaign.data,
                oversubscribe=oversubscribe,
                **dict(zip(names, values, strict=True)),
            )
            specs.setdefault(spec.key, spec)
    return list(specs.values())


def make_spec(site: Site, data: DataRequest, **fields: Any) -> RunSpec:
    """A point on a site.

    Raises
    ------
    InputError: a field that is missing, of the wrong type or out of its range
    """
    workers, resolution = fields.get("workers", 1), fields.get("resolution", 0)
    cores = fields.get("cores_per_worker", site.cores_per_worker)
    if cores == WHOLE_NODE:
        cores = site.cores_per_node
    if isinstance(cores, int):
        site = site.with_cores_per_worker(cores)
    placed = {
        "workers_per_node": min(site.workers_per_node, workers) if isinstance(workers, int) and workers > 0 else 1,
        "cores_per_worker": cores,
        "data": str(data_file(data, resolution)),
    }
    try:
        return msgspec.convert(fields | placed, RunSpec)
    except msgspec.ValidationError as error:
        raise InputError(str(error)) from None
