"""A campaign: the points that answer one question, from a TOML file."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from bench import REPOSITORY
from bench.campaign.counts import parse_counts
from bench.campaign.data import DataRequest, data_file
from bench.campaign.files import named_file, read_toml
from bench.campaign.matrix import combinations
from bench.campaign.site import Launcher, Site
from deepgalaxy.errors import InputError, near_names
from deepgalaxy.networks.catalogue import NO_BACKBONE
from deepgalaxy.profile import read_profile
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Compute, Mode

GLOBAL_BATCH = "global_batch_size"

FIELDS = (
    *("steps", "warmup_steps", "split_steps", "timeline", "allreduce_rounds", "yardstick"),
    *("optimizer", "learning_rate", "seed", "classes"),
    *("mode", "backbone", "resolution", "batch_size", GLOBAL_BATCH, "precision", "engine", "device", "profile"),
    *("cores_per_worker", "workers"),
)
"""What a campaign can set or sweep, the last innermost."""

ZIP, EXCLUDE = "zip", "exclude"

WHOLE_NODE = "node"


class Scaling(str, Enum):
    """What stays the same as workers are added: images per worker and step, or images per step in all."""

    WEAK = "weak"
    STRONG = "strong"


class Campaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a campaign file says.

    question: what the campaign answers, one sentence
    baseline_workers: the count that speedup and efficiency are relative to
    scaling: `weak` sweeps with `batch_size`, `strong` with `global_batch_size`, which the workers share
    data: the mergers to simulate, or a file
    profile (a setting): emulated compute, its network, resolution and batch as in that file of jobs/profiles
    settings: fields of all tables; a table's own win
    points: tables of fields; a list is swept, and each table gives the cross product of its lists.
        `zip = [["a", "b"]]` walks lists in step, `exclude = [{a = 1, b = [2, 3]}]` leaves out;
        `workers` also takes "4:1024", a doubling range; `cores_per_worker = "node"` is all cores of a node
    repeats: launches of every point
    until_interval: go on with launches until the 95% interval of throughput reaches no further than this share to
        either side, `most_repeats` at most; 0 for just `repeats`
    budget_node_hours: what a plan may not exceed, and further launches neither; 0 for no bound
    """

    name: str
    question: str
    baseline_workers: int
    points: list[dict[str, Any]]
    data: DataRequest = DataRequest()
    settings: dict[str, Any] = {}
    scaling: Scaling = Scaling.WEAK
    repeats: int = 1
    until_interval: float = 0.0
    most_repeats: int = 10
    budget_node_hours: float = 0.0

    def __post_init__(self) -> None:
        bounds = {"baseline_workers": 1, "repeats": 1, "most_repeats": 1, "until_interval": 0, "budget_node_hours": 0}
        for field, smallest in bounds.items():
            if getattr(self, field) < smallest:
                raise InputError(f"{field} {getattr(self, field)} is too small: {smallest} or more is allowed")


def load_campaign(name_or_file: str) -> Campaign:
    """A campaign by its name in jobs/campaigns or by its file.

    Raises
    ------
    InputError: no such campaign, or fields that are unknown or wrong
    """
    path = named_file(name_or_file, REPOSITORY / "jobs" / "campaigns", "campaign")
    campaign = read_toml(path, Campaign)
    wanted, refused = (GLOBAL_BATCH, "batch_size")[:: 1 if campaign.scaling is Scaling.STRONG else -1]
    for table in (campaign.settings, *campaign.points):
        for field in table:
            if field not in (*FIELDS, ZIP, EXCLUDE):
                raise InputError(f"{path}: {near_names('field', field, (*FIELDS, ZIP, EXCLUDE))}")
        if refused in table:
            raise InputError(f"{path}: {refused} with {campaign.scaling.value} scaling, which takes {wanted}")
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
        table = campaign.settings | table
        together, without = table.pop(ZIP, []), table.pop(EXCLUDE, [])
        if isinstance(table.get("workers"), str):
            table["workers"] = parse_counts(table["workers"], "workers")
        fields = {name: table[name] for name in FIELDS if name in table}
        for values in combinations(fields, together, without):
            try:
                spec = make_spec(site, campaign.data, oversubscribe=oversubscribe, **_local_batch(values))
            except InputError as error:
                raise InputError(f"campaign {campaign.name}: {error}") from None
            specs.setdefault(spec.key, spec)
    return list(specs.values())


def make_spec(site: Site, data: DataRequest, **fields: Any) -> RunSpec:
    """A point on a site.

    Raises
    ------
    InputError: a field that is missing, of the wrong type or out of its range
    """
    if "profile" in fields:
        fields = _emulated(fields)
    workers, resolution = fields.get("workers", 1), fields.get("resolution", 0)
    cores = fields.get("cores_per_worker", site.cores_per_worker)
    if cores == WHOLE_NODE:
        cores = site.cores_per_node
    if isinstance(cores, int):
        site = site.with_cores_per_worker(cores)
    placed: dict[str, Any] = {
        "workers_per_node": min(site.workers_per_node, workers) if isinstance(workers, int) and workers > 0 else 1,
        "cores_per_worker": cores,
        "device": fields.get("device", site.device.value),
        "data": "" if "profile" in fields else str(data_file(data, resolution)),
    }
    if fields.get("mode") == Mode.LOAD.value:
        fields = fields | {"backbone": NO_BACKBONE}
    if site.launcher is Launcher.LOCAL and workers != 1 and fields.get("mode") != Mode.TRAIN.value:
        placed["exchange"] = False  # they need none, and this launcher gives none
    try:
        return msgspec.convert(fields | placed, RunSpec)
    except msgspec.ValidationError as error:
        told, _, place = str(error).partition(" - at `$.")
        name = place.rstrip("`")
        raise InputError(f"{name} {fields[name]!r}: {told}" if name in fields else str(error)) from None


def shipped(kind: str) -> list[Path]:
    """The TOML files of a kind, `campaigns` or `sites`, that come with the suite."""
    return sorted((REPOSITORY / "jobs" / kind).glob("*.toml"))


def _emulated(fields: dict[str, Any]) -> dict[str, Any]:
    """A point whose compute is emulated, with what its profile says of the network."""
    path = named_file(str(fields["profile"]), REPOSITORY / "jobs" / "profiles", "profile", ".json")
    profile = read_profile(path)
    known = {name: getattr(profile, name) for name in ("backbone", "resolution", "batch_size")}
    for name, value in known.items():
        if fields.get(name, value) != value:
            raise InputError(f"{name} {fields[name]} with profile {path.stem}, which is of {name} {value}")
    return fields | known | {"compute": Compute.EMULATED.value, "profile": str(path.resolve())}


def _local_batch(values: dict[str, Any]) -> dict[str, Any]:
    """A global batch as each worker's share of it."""
    if GLOBAL_BATCH not in values:
        return values
    whole, workers = values[GLOBAL_BATCH], values.get("workers", 1)
    if not (isinstance(whole, int) and isinstance(workers, int)) or workers < 1 or whole < 1 or whole % workers:
        raise InputError(f"{GLOBAL_BATCH} {whole} can't be shared evenly by {workers} workers")
    return {name: v for name, v in values.items() if name != GLOBAL_BATCH} | {"batch_size": whole // workers}
