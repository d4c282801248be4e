"""`auto`: which engine and precision predict fastest here, measured once for a model and size, and remembered.

An engine is chosen when a process starts, so each way is timed in a process of its own:
`python -m deepgalaxy.fastest MODEL RESOLUTION BATCH_SIZE ENGINE PRECISION CORES`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from deepgalaxy.environment import surroundings
from deepgalaxy.errors import InputError, first_line
from deepgalaxy.files import replacing
from deepgalaxy.words import Engine, Precision, possible

AUTO = "auto"

SHORTEST_S, FEWEST_BATCHES = 2.0, 5
"""What is timed of each way, after its first batch."""

PATIENCE_S = 600


class Way(NamedTuple):
    """An engine and a precision."""

    engine: Engine
    precision: Precision

    def __str__(self) -> str:
        return f"{self.engine.value} {self.precision.value}"


class Measured(NamedTuple):
    """Images per second of each way, by its name; 0 where it failed. known: from an earlier measurement."""

    images_per_s: dict[str, float]
    known: bool


def ways(engine: str, precision: str) -> list[Way]:
    """All ways that `--engine` and `--precision` leave open; `auto` leaves open which."""
    engines = list(Engine) if engine == AUTO else [Engine(engine)]
    precisions = list(Precision) if precision == AUTO else [Precision(precision)]
    return [Way(e, p) for e, p in itertools.product(engines, precisions) if possible(e, p)]


def measure(
    model: Path, resolution: int, batch_size: int, cores: int, candidates: Sequence[Way], report: Callable[[str], None]
) -> Measured:
    """Images per second of each candidate, from memory or measured now, one after the other.

    report(what is being measured)
    """
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deepgalaxy" / "inference.json"
    remembered: dict[str, dict[str, float]] = {}
    with suppress(OSError, ValueError):
        remembered = json.loads(path.read_text())
    key = _key(model, resolution, batch_size, cores)
    figures = remembered.setdefault(key, {})
    missing = [way for way in candidates if str(way) not in figures]
    for way in missing:
        report(f"measuring {way} on {model.name}, {resolution} pixels, batch {batch_size}")
        figures[str(way)] = _timed_elsewhere(model, resolution, batch_size, cores, way)
    if missing:
        with suppress(InputError), replacing(path) as partial:  # an unwritable home only means to measure again
            partial.write_text(json.dumps(remembered, indent=1))
    return Measured({str(way): figures[str(way)] for way in candidates}, known=not missing)


def input_edge(model: Path) -> int | None:
    """Pixels of the images that a saved model takes, read without TensorFlow; None for any size.

    Raises
    ------
    InputError: missing, or no saved network
    """
    try:
        with zipfile.ZipFile(model) as archive:
            layers = json.loads(archive.read("config.json"))["config"]["layers"]
            edge: int | None = layers[0]["config"]["batch_input_shape"][1]
            return edge
    except FileNotFoundError:
        raise InputError(f"model {model} does not exist") from None
    except (OSError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"model {model} can't be read: {first_line(error)}") from None


def best(measured: Measured, candidates: Sequence[Way]) -> Way:
    """The fastest.

    Raises
    ------
    InputError: none of them ran
    """
    fastest = max(candidates, key=lambda way: measured.images_per_s[str(way)])
    if not measured.images_per_s[str(fastest)]:
        raise InputError(f"none of {', '.join(map(str, candidates))} can run this model here")
    return fastest


def _key(model: Path, resolution: int, batch_size: int, cores: int) -> str:
    """Everything that a speed depends on."""
    try:
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"model {model}: {error.strerror}") from None
    here = surroundings()
    software = [here.get(name, "") for name in ("cpu", "tensorflow", "intel-extension-for-tensorflow")]
    facts = (digest, resolution, batch_size, cores, *software)
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _timed_elsewhere(model: Path, resolution: int, batch_size: int, cores: int, way: Way) -> float:
    """Images per second in a process of its own; 0 where that fails, as the extension does on an old CPU."""
    command = [sys.executable, "-m", "deepgalaxy.fastest", str(model), str(resolution), str(batch_size)]
    command += [way.engine.value, way.precision.value, str(cores)]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_S, check=False)
        return float(json.loads(done.stdout)) if done.returncode == 0 else 0.0
    except (subprocess.TimeoutExpired, ValueError):
        return 0.0


def main(argv: Sequence[str]) -> int:
    """Time one way in this process and print its images per second."""
    from deepgalaxy import placement, runtime
    from deepgalaxy.engine import load_tensorflow
    from deepgalaxy.lifetime import die_with_parent

    die_with_parent()
    model, resolution, batch_size, engine, precision, cores = argv
    size = int(batch_size)
    runtime.prepare(int(cores))
    placement.bind(int(cores))
    load_tensorflow(Engine(engine), Precision(precision), threads=int(cores))
    import numpy as np

    from deepgalaxy.inference import FrozenClassifier
    from deepgalaxy.networks.deepgalaxy import in_global_precision, load_network

    network = in_global_precision(load_network(Path(model)))
    classify = FrozenClassifier(network, int(resolution), size, Precision(precision))
    images = np.random.default_rng(0).random((size, int(resolution), int(resolution), 1), np.float32)
    classify(images)
    seconds: list[float] = []
    while len(seconds) < FEWEST_BATCHES or sum(seconds) < SHORTEST_S:
        began = time.perf_counter()
        classify(images)
        seconds.append(time.perf_counter() - began)
    print(size / statistics.median(seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
