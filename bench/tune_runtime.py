"""Which runtime settings are fastest on a machine: a two-level experiment, and its winner against the start.

First all settings are varied at once over launches in random order (`bench.analysis.design`). Then the winner, the
site's own settings and stock ones are launched together and take turns (`bench.launch.turns`). Whatever was launched
is in `tuning.jsonl` as it ends, and a second call with the same point and site goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from ctypes.util import find_library
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from bench.analysis.design import better_level, effects, screening
from bench.analysis.intervals import with_interval
from bench.analysis.scaling import steady_steps
from bench.analysis.turns import ratio, turn_times
from bench.campaign.site import Site
from bench.execute import summary
from bench.launch.run import run_point
from bench.launch.turns import TURN_STEPS, Way, run_in_turn, whole_turns
from bench.store.results import Results
from deepgalaxy.console import Progress
from deepgalaxy.errors import InputError
from deepgalaxy.record import RunRecord
from deepgalaxy.runtime import Settings
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Outcome, Runtime

SCREENING_SHARE = 0.6
"""Of the time, for the experiment; the rest is for the winner's comparison."""

FEWEST_BLOCKS = 2
FEWEST_ROUNDS = 2

ALLOCATORS = ("tcmalloc_minimal", "tcmalloc", "jemalloc")

START, WINNER, STOCK = "site", "winner", "stock"


class Factor(NamedTuple):
    """A field of `Settings` and the two values that are tried."""

    name: str
    low: Any
    high: Any


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One launch of the search, as it is kept.

    stage: `screen` or `confirm`; number: of the run in its design, or 0; block: which repeat, or round
    step_time_s: of the slowest rank, all steady steps or the mean ones of each turn; empty where it failed
    """

    key: str
    site: str
    stage: str
    way: str
    number: int
    block: int
    settings: Settings
    step_time_s: list[float]


@dataclass
class Found:
    """What the search found: settings, effects of all factors, and ways compared."""

    settings: Settings
    effects: pd.DataFrame
    ways: pd.DataFrame
    launches: int = 0
    rows: list[Launch] = field(default_factory=list)


def factors(workers: int) -> list[Factor]:
    """What is tried: Horovod's thread only where ranks exchange, another allocator only where one is installed."""
    found = [
        Factor("inter_threads", 1, 2),
        Factor("onednn", False, True),
        Factor("keep_memory", False, True),
        Factor("huge_pages", False, True),
        Factor("arenas", 0, 1),
        Factor("grappler", False, True),
    ]
    if workers > 1:
        found += [
            Factor("cycle_time_ms", 0.0, 5.0),
            Factor("bucket_mb", 0.0, 25.0),
            Factor("lone_kb", 0.0, 256.0),
            Factor("niceness", 0, 19),
        ]
    library = next((path for name in ALLOCATORS if (path := find_library(name))), None)
    return [*found, Factor("preload", "", library)] if library else found


class Search:
    """The search on one site with one point, for so many minutes."""

    def __init__(self, spec: RunSpec, site: Site, results: Results, minutes: float, seed: int = 0) -> None:
        self._spec, self._site, self._results = spec, site, results
        self._began, self._minutes = time.monotonic(), minutes
        self._log = results.folder / "tuning.jsonl"
        self._rows = [row for row in _read(self._log) if (row.key, row.site) == (spec.key, site.name)]
        self._factors = factors(spec.workers)
        self._design = screening(len(self._factors))
        self._rng = np.random.default_rng(seed)
        self._longest_s = 0.0
        self._progress = Progress(len(self._design) * FEWEST_BLOCKS + 3 * FEWEST_ROUNDS)

    def run(self) -> Found:
        """Search to the end of the time, and at least the fewest launches that tell anything.

        Raises
        ------
        InputError: too few launches ended well
        """
        self._screen()
        table = self._effects()
        winner = self._chosen(table)
        self._confirm(winner)
        ways = compare(self._rows, self._spec.global_batch_size, winner)
        gain = ways.set_index("way").loc[WINNER] if WINNER in set(ways["way"]) else None
        kept = winner if gain is not None and gain["ratio_low"] > 1 else self._site.runtime
        return Found(kept, table, ways, len(self._rows), self._rows)

    def _screen(self) -> None:
        for block in self._blocks(SCREENING_SHARE, len(self._design), FEWEST_BLOCKS):
            for number in self._rng.permutation(len(self._design)):
                if not self._done("screen", str(number), block):
                    self._launch(int(number), block, self._at(self._design[number]))

    def _confirm(self, winner: Settings) -> None:
        found = {START: self._site.runtime, WINNER: winner, STOCK: Settings()}
        if winner == self._site.runtime:
            del found[WINNER]
        spec = msgspec.structs.replace(self._spec, steps=whole_turns(self._spec.steps), turn_steps=TURN_STEPS)
        stock = msgspec.structs.replace(spec, runtime=Runtime.STOCK)
        ways = [
            Way(name, stock if name == STOCK else spec, msgspec.structs.replace(self._site, runtime=settings))
            for name, settings in found.items()
        ]
        for block in self._blocks(1.0, 1, FEWEST_ROUNDS):
            if all(self._done("confirm", name, block, settings) for name, settings in found.items()):
                continue
            began = time.monotonic()
            records = run_in_turn(ways[:: 1 if block % 2 else -1], self._results)
            self._longest_s = time.monotonic() - began
            for way, record in zip(ways[:: 1 if block % 2 else -1], records, strict=True):
                self._keep("confirm", way.name, 0, block, found[way.name], record)

    def _blocks(self, share: float, launches: int, fewest: int) -> Iterator[int]:
        """Numbers of blocks from 1, as long as another one fits into this share of the time."""
        block = 1
        while block <= fewest or self._left_s(share) > launches * self._longest_s > 0:
            yield block
            block += 1

    def _left_s(self, share: float) -> float:
        return 60 * self._minutes * share - (time.monotonic() - self._began)

    def _at(self, levels: Sequence[int]) -> Settings:
        values = {f.name: f.high if level else f.low for f, level in zip(self._factors, levels, strict=True)}
        return msgspec.structs.replace(self._site.runtime, **values)

    def _done(self, stage: str, way: str, block: int, settings: Settings | None = None) -> bool:
        return any(
            (row.stage, row.way, row.block) == (stage, way, block) and (settings is None or row.settings == settings)
            for row in self._rows
        )

    def _launch(self, number: int, block: int, settings: Settings) -> None:
        began = time.monotonic()
        launch, folder = self._results.new_launch(self._spec)
        record = run_point(self._spec, msgspec.structs.replace(self._site, runtime=settings), launch, folder)
        self._results.write(record, folder)
        self._longest_s = max(self._longest_s, time.monotonic() - began)
        self._keep("screen", str(number), number, block, settings, record)

    def _keep(self, stage: str, way: str, number: int, block: int, settings: Settings, record: RunRecord) -> None:
        row = Launch(
            key=self._spec.key,
            site=self._site.name,
            stage=stage,
            way=way,
            number=number,
            block=block,
            settings=settings,
            step_time_s=_steps(record),
        )
        with self._log.open("ab") as log:
            log.write(msgspec.json.encode(row) + b"\n")
        self._rows.append(row)
        left = max(0.0, self._left_s(1.0)) / 60
        self._progress.note(f"{stage} {block}, {way}, {left:.0f} min left: {summary(record)}")

    def _effects(self) -> pd.DataFrame:
        rows = [row for row in self._rows if row.stage == "screen" and row.step_time_s]
        table = effects(
            [f.name for f in self._factors],
            np.array([self._design[row.number] for row in rows]).reshape(-1, len(self._factors)),
            [row.block for row in rows],
            [float(np.mean(row.step_time_s)) for row in rows],
        )
        levels = {f.name: f for f in self._factors}
        table.insert(1, "low", [str(levels[name].low) for name in table["setting"]])
        table.insert(2, "high", [str(levels[name].high) for name in table["setting"]])
        return table

    def _chosen(self, table: pd.DataFrame) -> Settings:
        levels = {f.name: f for f in self._factors}
        better = {row["setting"]: better_level(row) for row in table.to_dict("records")}
        values = {
            name: levels[name].high if level else levels[name].low
            for name, level in better.items()
            if level is not None
        }
        return msgspec.structs.replace(self._site.runtime, **values)


def compare(rows: Sequence[Launch], images_per_step: int, winner: Settings) -> pd.DataFrame:
    """One row a way: throughput, and how many times that of the site's own settings, 95% interval; see `ratio`.

    Raises
    ------
    InputError: a way without a launch that ended well in a round with the site's own
    """
    found: dict[str, dict[int, Launch]] = {}
    for row in rows:
        if row.stage == "confirm" and row.step_time_s and (row.way != WINNER or row.settings == winner):
            found.setdefault(row.way, {})[row.block] = row
    table = []
    for way, launches in found.items():
        rounds = sorted(set(launches) & set(found.get(START, {})))
        if not rounds:
            raise InputError(f"no round in which {START!r} and {way!r} ended well; the launches' folders hold the logs")
        pairs = [(np.array(launches[r].step_time_s), np.array(found[START][r].step_time_s)) for r in rounds]
        values = (1.0, 1.0, 1.0) if way == START else ratio(pairs)
        figures = with_interval("ratio", values)
        step = float(np.median([mine for mine, _ in pairs]))
        speed = {"launches": len(rounds), "throughput_images_per_s": images_per_step / step}
        table.append({"way": way} | speed | figures | {"provenance": "measured"})
    return pd.DataFrame(table)


def _steps(record: RunRecord) -> list[float]:
    """As a `Launch` keeps them."""
    if record.outcome is not Outcome.OK:
        return []
    each = record.spec.turn_steps
    times = turn_times(record) / (each - 1) if each else steady_steps(record).max(axis=0)
    return [float(seconds) for seconds in times]


def _read(log: Any) -> list[Launch]:
    if not log.exists():
        return []
    lines = log.read_bytes().splitlines()
    try:
        return [msgspec.json.decode(line, type=Launch) for line in lines]
    except msgspec.MsgspecError as error:
        raise InputError(f"{log}: {error}; remove it to begin anew") from None
