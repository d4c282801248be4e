"""Options of `pytest bench/`, checked before anything starts, and the fixtures that benchmarks share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.plugin import Benchmarks, ReplayClock
from deepgalaxy.errors import USAGE_EXIT_CODE, InputError
from deepgalaxy.spec import RunSpec


def pytest_addoption(parser: pytest.Parser) -> None:
    """The axes of a sweep, where to run, and where results go. Lists are separated by commas."""
    group = parser.getgroup("deepgalaxy", "DeepGalaxy scaling benchmarks (pytest bench/)")
    add = group.addoption
    add("--workers", help="worker counts: 128, or 4,8,16, or a doubling range 4:1024 (all slots of the site)")
    add("--backbone", default="EfficientNetB0", help="backbones (EfficientNetB0)")
    add("--resolution", default="128", help="image edges in pixels (128)")
    add("--batch-size", default="8", help="images per worker and step (8)")
    add("--precision", default="fp32", help="fp32, bf16, bf16-amp: the extension's automatic one (fp32)")
    add("--engine", default="tensorflow", help="tensorflow, itex (tensorflow)")
    add("--mode", default="train,infer,load", help="train, infer, load (all three)")
    add("--site", default="local", help="name in jobs/sites, or a file (local)")
    add("--hostfile", type=Path, help="nodes to run on, one a line (those of the Slurm allocation around)")
    add("--cores-per-worker", type=int, help="cores of each worker, instead of the site's share")
    add("--launcher", help="mpirun, mpich, intelmpi, horovodrun, srun or local, instead of the site's")
    add("--baseline-workers", type=int, help="count that efficiency is relative to (4, or 1 where 4 can't be had)")
    add("--baseline", metavar="NAME", help="hold each point against this one of results/baselines/<site>")
    add("--yardstick", action="store_true", help="time fixed arithmetic beside each step: tells code from machine")
    add("--ignore-machine", action="store_true", help="with --baseline and --yardstick: judge the code alone")
    add("--launches", type=int, default=1, help="launches of each point; a baseline needs 2 or more to tell (1)")
    add("--steps", type=int, default=16, help="measured steps of a run (16)")
    add("--data", help="HDF5 file of merger images (simulated when left out)")
    add("--model", help="a trained model.keras to predict with: also compares its answers with those in FP32")
    add("--results", type=Path, help="folder of the results (results/pytest)")
    add("--vectors", help="also time the image search, with indexes of so many vectors: 1000,10000,100000")
    add("--oversubscribe", action="store_true", help="also run counts without cores of their own; marks the record")


def pytest_configure(config: pytest.Config) -> None:
    """Check what was asked for; wrong input is one line and exit code 2."""
    try:
        if not config.option.vectors and any("bench_search" in argument for argument in config.args):
            config.option.vectors = "1000,10000,100000"
        config.stash[BENCHMARKS] = Benchmarks.from_options(config.option)
    except InputError as error:
        pytest.exit(str(error), returncode=USAGE_EXIT_CODE)


BENCHMARKS = pytest.StashKey[Benchmarks]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a point, for every benchmark that asks for a `point`; one a size for `vectors`."""
    if "point" in metafunc.fixturenames:
        points = metafunc.config.stash[BENCHMARKS].points(metafunc.module.MODE)
        metafunc.parametrize("point", points, ids=[point.name for point in points])
    if "vectors" in metafunc.fixturenames:
        metafunc.parametrize("vectors", metafunc.config.stash[BENCHMARKS].vectors)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The image search, which does not scale with workers, and other ways to train only where they are asked for."""
    is_search = collection_path.name == "bench_search.py"
    is_peers = collection_path.name == "bench_peers.py"
    named = any("bench_peers" in str(argument) for argument in config.args)
    return True if (is_search and not config.stash[BENCHMARKS].vectors) or (is_peers and not named) else None


@pytest.fixture
def benchmarks(request: pytest.FixtureRequest) -> Benchmarks:
    """What the options ask for."""
    return request.config.stash[BENCHMARKS]


@pytest.fixture
def replay(request: pytest.FixtureRequest) -> Callable[[list[float], str, dict[str, Any]], None]:
    """A function that shows seconds measured elsewhere, a group's name and more facts in pytest-benchmark's table."""
    clock = ReplayClock()
    request.node.add_marker(pytest.mark.benchmark(timer=clock))

    def replayed(durations_s: list[float], group: str, extra_info: dict[str, Any]) -> None:
        clock.load(durations_s)
        # Asked for only now: pytest-benchmark would complain of a point that was skipped or failed.
        benchmark = request.getfixturevalue("benchmark")
        benchmark.group = group
        benchmark.extra_info.update(extra_info)
        benchmark.pedantic(lambda: None, rounds=len(durations_s), iterations=1)

    return replayed


@pytest.fixture
def measure(
    request: pytest.FixtureRequest, replay: Callable[[list[float], str, dict[str, Any]], None]
) -> Callable[[RunSpec], None]:
    """A function that measures a point and shows it in pytest-benchmark's table."""
    benchmarks = request.config.stash[BENCHMARKS]
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def measured(point: RunSpec) -> None:
        with capture.global_and_fixture_disabled():  # a point takes a minute: its progress is shown
            slowest = benchmarks.run(point)
        replay(slowest, point.curve_name, benchmarks.extra_info())
        benchmarks.judge(point)

    return measured


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Where the results lie, when something was measured."""
    for line in config.stash[BENCHMARKS].closing_lines():
        terminalreporter.write_line(line)
