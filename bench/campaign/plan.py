"""What would run: which points fit, how long they take, how many nodes they hold for how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.campaign.site import Site
from bench.store.summary import Summary
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Outcome

if TYPE_CHECKING:
    from bench.projection.memory import MemoryModel

MARGIN = 1.5
"""Time limits of jobs over what their points are expected to take."""

MEMORY_KIND = ("mode", "compute", "backbone", "precision", "engine", "device", "runtime", "trainer", "optimizer")
"""What points must share for the memory of one to tell of the other's."""

JOB_START_MINUTES = 3.0
"""Of a job before its first point: modules, imports, simulating what is missing counts apart."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A point, and what a plan says of it.

    launches: to be done yet; minutes: of one launch; basis: what the minutes follow from
    why_not: why it can't run, empty when it can; doubt: why it may run out of memory all the same
    """

    spec: RunSpec
    launches: int
    nodes: int
    minutes: float
    basis: str
    why_not: str
    doubt: str = ""

    @property
    def node_hours(self) -> float:
        """Of all launches; 0 where it can't run."""
        return 0.0 if self.why_not else self.launches * self.nodes * self.minutes / 60


class Experience:
    """What earlier launches of a site tell of points like them."""

    def __init__(self, summaries: Iterable[Summary], site: Site) -> None:
        self._minutes: dict[tuple[object, ...], float] = {}
        self._peaks: dict[tuple[object, ...], int] = {}
        self._measured: dict[str, Summary] = {}
        self._model: MemoryModel | None = None
        self._ooms: list[RunSpec] = []
        self._ok: Counter[str] = Counter()
        self._skipped: dict[str, str] = {}
        self._site = site
        for summary in summaries:
            self.take(summary)

    def take(self, summary: Summary) -> None:
        """Learn from one launch more, if it was on this site."""
        spec = summary.spec
        if summary.site != self._site.name:
            return
        if summary.outcome is Outcome.OK:
            self._ok[summary.key] += 1
            minutes = summary.wall_s / 60
            for like in (_exactly(spec), _curve(spec)):
                self._minutes[like] = max(minutes, self._minutes.get(like, 0.0))
            kind = _memory_kind(spec)
            if summary.peak_rss_bytes > self._peaks.get(kind, 0):
                self._peaks[kind] = summary.peak_rss_bytes
                self._measured[summary.key] = summary
                self._model = None  # to be fitted again, when it is asked next
        elif summary.outcome is Outcome.OOM:
            self._ooms.append(spec)
        elif summary.outcome is Outcome.SKIPPED:
            self._skipped[summary.key] = summary.reason

    def skipped_for(self, spec: RunSpec) -> str:
        """Why the point was skipped before; empty where it was not."""
        return self._skipped.get(spec.key, "")

    def ok_launches(self, spec: RunSpec) -> int:
        """Launches of this very point that ended well."""
        return self._ok[spec.key]

    def minutes(self, spec: RunSpec) -> tuple[float, str] | None:
        """How long a launch took, and of which points."""
        for like, basis in ((_exactly(spec), "measured"), (_curve(spec), "its curve")):
            if like in self._minutes:
                return self._minutes[like], basis
        return None

    def why_not(self, spec: RunSpec) -> str:
        """Why its memory will not do, as far as was measured; empty when nothing speaks against it."""
        for smaller in self._ooms:
            if needs_no_less(spec, smaller):
                return (
                    f"{smaller.name} ran out of memory, and this needs no less (--force runs it all the same)"
                    if smaller.key != spec.key
                    else "it ran out of memory before (--force runs it again)"
                )
        has = self._site.memory_per_node_bytes
        peak = self._peaks.get(_memory_kind(spec))
        if peak and peak * spec.workers_per_node > has:
            needs = f"{peak * spec.workers_per_node / 2**30:.0f} GiB as measured"
            return f"{spec.workers_per_node} workers a node need {needs}; a node has {has / 2**30:.0f} GiB"
        told, fits = self._predicted(spec)
        return "" if fits is not False else f"{told} (--force runs it all the same)"

    def doubt(self, spec: RunSpec) -> str:
        """What the memory model says of a point that may or may not fit; empty where it is sure, or not asked."""
        told, fits = self._predicted(spec)
        return told if fits is None else ""

    def _predicted(self, spec: RunSpec) -> tuple[str, bool | None]:
        """What memory is predicted for a point of whose kind none was measured, and whether a node has it.

        Yes or no where the whole interval says so, None where the node's memory lies within it.
        """
        from bench.store.memory import load_of, model_of, peaks  # SciPy loads with it

        load = None if _memory_kind(spec) in self._peaks else load_of(spec)
        if load is None:
            return "", True
        self._model = self._model or model_of(peaks(self._measured.values()))
        if not self._model.knows(load):
            return "", True
        peak, low, high, _ = self._model.predict(load)
        count, has = spec.workers_per_node, self._site.memory_per_node_bytes
        needs = f"{_gib(peak)} [{_gib(low)}, {_gib(high)}] GiB a worker are predicted"
        fits = True if high * count <= has else False if low * count > has else None
        return f"{needs}, {count} on a node; it has {_gib(has)} GiB", fits


def plan(
    specs: Sequence[RunSpec], site: Site, experience: Experience, *, repeats: int = 1, force: bool = False
) -> list[Planned]:
    """What is left to do of each point, for `repeats` launches of it that end well."""
    planned = []
    for spec in specs:
        minutes, basis = experience.minutes(spec) or (site.minutes_per_point, "the site's minutes_per_point")
        planned.append(
            Planned(
                spec=spec,
                launches=max(0, repeats - experience.ok_launches(spec)),
                nodes=site.nodes_for(spec),
                minutes=minutes,
                basis=basis,
                why_not=site.why_not(spec) or ("" if force else experience.why_not(spec)),
                doubt=experience.doubt(spec),
            )
        )
    return planned


def job_minutes(planned: Iterable[Planned]) -> float:
    """Time limit of one job that runs these points one after the other."""
    points = sum(p.minutes * p.launches for p in planned if not p.why_not)
    return JOB_START_MINUTES + MARGIN * points


def needs_no_less(spec: RunSpec, other: RunSpec) -> bool:
    """Whether a node needs at least as much memory for `spec` as for `other`, a point of the same kind."""
    same = (*MEMORY_KIND, "classes")
    larger = ("resolution", "batch_size", "workers_per_node")
    return all(getattr(spec, f) == getattr(other, f) for f in same) and all(
        getattr(spec, f) >= getattr(other, f) for f in larger
    )


def _gib(count: float) -> str:
    return f"{count / 2**30:.3g}"


def _memory_kind(spec: RunSpec) -> tuple[object, ...]:
    return tuple(getattr(spec, f) for f in (*MEMORY_KIND, "resolution", "batch_size"))


def _exactly(spec: RunSpec) -> tuple[object, ...]:
    return (spec.key,)


def _curve(spec: RunSpec) -> tuple[object, ...]:
    return (spec.curve_name, spec.steps, spec.warmup_steps, spec.cores_per_worker)
