"""What other programs' logs say of a throughput: theirs, as they printed it, and what is wrong with it.

Formats, read from the programs' own sources: Horovod's `examples/*/*_synthetic_benchmark.py` (horovod/horovod),
`scripts/tf_cnn_benchmarks/benchmark_cnn.py` (tensorflow/benchmarks), `callbacks.py` and `deep_galaxy_training.py`
(maxwelltsai/DeepGalaxy). Launchers put marks such as `[1,0]<stdout>:` before lines, so lines are searched.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from deepgalaxy.errors import InputError
from deepgalaxy.words import Mode

NUMBER = r"([0-9]{1,12}\.[0-9]+)"
COUNT = r"([0-9]{1,9})"
SETTLING_EPOCHS = 3
"""DeepGalaxy's README: its throughput is to be read after the third epoch."""

ANY = range(1, sys.maxsize)
ROUNDING = 0.005
TINY = 1e-9

RANK_0_TIMES_N = "rank 0's throughput times the number of workers, not all images over the slowest rank's time"
ONE_LAUNCH = "one launch: nothing tells how sure the figure is"


class Reading(NamedTuple):
    """One run in a log. batch_size: per worker; what the log does not tell is None or empty.

    possible_workers: counts that the figures allow, where they tell no single one
    """

    throughput_images_per_s: float
    workers: int | None
    flaws: tuple[str, ...]
    possible_workers: range = ANY
    mode: Mode = Mode.TRAIN
    backbone: str = ""
    resolution: int | None = None
    batch_size: int | None = None
    engine: str = ""
    device: str = ""


class Program(NamedTuple):
    """A program whose logs are read. signs: what its own lines look like"""

    what: str
    signs: str
    read: Callable[[list[str]], list[Reading]]


def read_log(program: str, text: str, name: str) -> list[Reading]:
    """Every run in a log, in its order.

    program: a name in `PROGRAMS`; name: of the file, for errors

    Raises
    ------
    InputError: empty, of another program, cut off, or at odds with itself
    """
    lines = re.split(r"[\r\n]+", text.strip())
    if not text.strip():
        raise InputError(f"{name} is empty: a log of {PROGRAMS[program].what} is wanted")
    if not any(re.search(PROGRAMS[program].signs, line) for line in lines):
        others = [p for p, x in PROGRAMS.items() if any(re.search(x.signs, line) for line in lines)]
        hint = f"; it looks like one for --from {others[0]}" if others else ""
        raise InputError(f"{name} is no log of {PROGRAMS[program].what}: none of its lines is there{hint}")
    try:
        return PROGRAMS[program].read(lines)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _horovod(lines: Sequence[str]) -> list[Reading]:
    """Each run ends with its `Total img/sec` line."""
    runs: list[Reading] = []
    facts: dict[str, str] = {}
    each = None
    open_run = False
    for line in lines:
        if found := re.search(r"(Model): (\S+)", line) or re.search(rf"(Batch size): {COUNT}\b", line):
            facts[found[1]] = found[2]
            open_run = True
        elif found := re.search(rf"Img/sec per ([A-Z]+): {NUMBER} *\+-", line):
            each = float(found[2])
        elif found := re.search(rf"Total img/sec on {COUNT} ([A-Z]+)\(s\): {NUMBER} *\+-{NUMBER}", line):
            runs.append(_horovod_run(found, each, facts))
            facts, each, open_run = {}, None, False
        elif re.search(r"Iter #[0-9]+:|Running warmup|Img/sec per|Total img/sec", line):
            open_run = True
    if open_run or each is not None:
        raise InputError("it is cut off: a run in it has no whole line `Total img/sec on N GPU(s): X +-Y`")
    return runs


def _horovod_run(total: re.Match[str], each: float | None, facts: dict[str, str]) -> Reading:
    workers, speed, spread = int(total[1]), float(total[3]), float(total[4])
    # Both are printed with one decimal.
    if each is not None and abs(each * workers - speed) > 0.05 * (workers + 1) + 1e-6:
        raise InputError(f"`Img/sec per {total[2]}: {each}` times {workers} is not the total of {speed}")
    return Reading(
        speed,
        workers,
        (
            "one fixed random batch: no data pipeline",
            RANK_0_TIMES_N,
            f"+-{spread:g} is 1.96 standard deviations of one launch's iterations, no confidence interval",
        ),
        backbone=facts.get("Model", ""),
        resolution=224,  # fixed in the program
        batch_size=int(facts["Batch size"]) if "Batch size" in facts else None,
        device=total[2].lower(),
    )


def _tf_cnn(lines: Sequence[str]) -> list[Reading]:
    """One run; under Horovod every rank prints the same lines, and the slowest rank's total counts."""
    names = "Model|Dataset|Mode|Variables"
    facts = {key: value.strip() for line in lines for key, value in re.findall(rf"({names}): +(.*)", line)}
    totals = _numbers(r"total images/sec: ([0-9]{1,12}\.[0-9]{2})$", lines)
    if not totals:
        raise InputError("it is cut off: it has no line `total images/sec: X`")
    everyone = _numbers(r"Batch size: +([0-9]{1,9}) global", lines)
    each = _numbers(r"([0-9]{1,9}(?:\.[0-9]+)?) per device", lines)
    workers = round(everyone[0] / each[0]) if everyone and each and each[0] else None
    if len(set(everyone)) > 1 or len(totals) not in (1, workers or len(totals)):
        raise InputError(
            f"it holds {len(totals)} lines `total images/sec` for {workers} workers: one run a file is wanted, with "
            "one such line or one of every rank"
        )
    possible = range(len(totals), len(totals) + 1) if len(totals) > 1 else ANY
    mode = facts.get("Mode", "training")
    flaws = ["synthetic images: no data pipeline"] if "synthetic" in facts.get("Dataset", "synthetic") else []
    flaws += [RANK_0_TIMES_N.replace("rank 0's", "one rank's")] if facts.get("Variables") == "horovod" else []
    return [
        Reading(
            min(totals),
            workers,
            (*flaws, ONE_LAUNCH),
            possible_workers=possible,
            mode=Mode.TRAIN if "training" in mode else Mode.INFER,
            backbone=facts.get("Model", ""),
            batch_size=round(each[0]) if each else None,
            engine="tensorflow",
            device=next((d for line in lines for d in re.findall(r"Devices: .*?\b(cpu|gpu):[0-9]", line)), ""),
        )
    ]


class _Epochs:
    """A run in DeepGalaxy's log, as far as it has been read."""

    def __init__(self, header: re.Match[str] | None = None) -> None:
        self.header = header
        self.seconds: list[float] = []
        self.images: list[float] = []
        self.workers = ANY  # that the figures allow

    def add(self, number: int, seconds: float, each: float, total: float) -> None:
        """An epoch's line; throughputs in it have two decimals."""
        if number != len(self.seconds) or not seconds or not each:
            figures = f"{seconds:g} s, {each:g} images/s"
            raise InputError(f"epoch {number} ({figures}) can't follow {len(self.seconds)} others")
        self.seconds.append(seconds)
        self.images.append(total * seconds)
        fewest = math.ceil((total - ROUNDING) / (each + ROUNDING) - TINY)
        most = math.floor((total + ROUNDING) / max(each - ROUNDING, TINY) + TINY)
        self.workers = range(max(fewest, self.workers.start), min(most + 1, self.workers.stop))

    def reading(self) -> Reading:
        """Images over seconds of the epochs after `SETTLING_EPOCHS`."""
        if len(self.seconds) <= SETTLING_EPOCHS:
            raise InputError(
                f"it is cut off: a run in it has {len(self.seconds)} epochs, and the first {SETTLING_EPOCHS} settle"
            )
        workers = int(self.header[3]) if self.header else self.workers.start
        if workers not in self.workers:
            raise InputError("throughput in total over that per worker is not that of one number of workers")
        return Reading(
            sum(self.images[SETTLING_EPOCHS:]) / sum(self.seconds[SETTLING_EPOCHS:]),
            workers if self.header or len(self.workers) == 1 else None,
            (
                "validation, and loading the data anew where it was asked for, are inside the timing",
                RANK_0_TIMES_N,
                "the log does not tell whether the workers shared the images or each had all of them",
                ONE_LAUNCH,
            ),
            possible_workers=self.workers,
            batch_size=int(self.header[1]) if self.header else None,
            engine="tensorflow",
        )


def _train_log(lines: Sequence[str]) -> list[Reading]:
    """The program appends: a run begins with its header, or where epochs count from 0 again."""
    runs: list[_Epochs] = []
    for line in lines:
        header = re.search(rf"batch_size = {COUNT}, global_batch_size = {COUNT}, num_workers = {COUNT}", line)
        if header:
            runs.append(_Epochs(header))
        elif re.search("Batch_size = [0-9]", line):
            raise InputError("it is of a run without Horovod, whose log tells no throughput")
        elif "[Performance]" in line:
            epoch = _EPOCH.search(line)
            if not epoch:
                raise InputError(f"it is cut off: {line[-60:]!r} is no whole line of an epoch")
            number, *figures = epoch.groups()
            if not runs or (number == "0" and runs[-1].seconds):
                runs.append(_Epochs())
            runs[-1].add(int(number), *map(float, figures))
    return [run.reading() for run in runs]


_EPOCH = re.compile(
    rf"\[Performance\] Epoch {COUNT} takes {NUMBER} seconds\. "
    rf"Throughput: {NUMBER} images/sec \(per worker\), {NUMBER} images/sec \(total\)"
)


def _numbers(pattern: str, lines: Sequence[str]) -> list[float]:
    def found() -> Iterator[float]:
        for line in lines:
            yield from (float(text) for text in re.findall(pattern, line.rstrip()))

    return list(found())


PROGRAMS = {
    "horovod-synthetic": Program("Horovod's synthetic benchmark", r"[Ii]mg/sec per [A-Z]+|Total img/sec on", _horovod),
    "tf-cnn-benchmarks": Program(
        "tf_cnn_benchmarks", r"images/sec: [0-9.]+ \+/-|total images/sec:|Step\s+Img/sec", _tf_cnn
    ),
    "deepgalaxy-train-log": Program(
        "the original DeepGalaxy (train_log.txt)", r"\[Performance\] Epoch|Parallel training (en|dis)abled", _train_log
    ),
}
"""The programs whose logs are read, by the names that the command line has for them."""
