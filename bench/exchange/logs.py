"""What other programs' logs say of a throughput: theirs, as they printed it, and what is wrong with it.

Formats, read from the programs' own sources: Horovod's `examples/*/*_synthetic_benchmark.py` (horovod/horovod),
`scripts/tf_cnn_benchmarks/benchmark_cnn.py` (tensorflow/benchmarks), `callbacks.py` and `deep_galaxy_training.py`
(maxwelltsai/DeepGalaxy). Launchers put marks such as `[1,0]<stdout>:` before lines, so lines are searched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from deepgalaxy.errors import InputError
from deepgalaxy.words import Mode

NUMBER = r"([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)"
SETTLING_EPOCHS = 3
"""DeepGalaxy's README: its throughput is to be read after the third epoch."""

RANK_0_TIMES_N = "rank 0's throughput times the number of workers, not all images over the slowest rank's time"


class Reading(NamedTuple):
    """One run in a log. batch_size: per worker; what the log does not tell is None or empty."""

    throughput_images_per_s: float
    workers: int
    flaws: tuple[str, ...]
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
        if found := re.search(r"(Model|Batch size): *(\S+)", line):
            facts[found[1]] = found[2]
            open_run = True
        elif found := re.search(rf"Img/sec per ([A-Z]+): {NUMBER} *\+-", line):
            each = float(found[2])
        elif found := re.search(rf"Total img/sec on ([0-9]+) ([A-Z]+)\(s\): {NUMBER} *\+-{NUMBER}", line):
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
            f"+-{spread:g} is 1.96 standard deviations of means of 10 steps of one launch, no confidence interval",
        ),
        backbone=facts.get("Model", ""),
        resolution=224,  # fixed in the program
        batch_size=_whole(facts["Batch size"]) if "Batch size" in facts else None,
        device=total[2].lower(),
    )


def _tf_cnn(lines: Sequence[str]) -> list[Reading]:
    """One run; under Horovod every rank prints the same lines, and the slowest rank's total counts."""
    facts = {key: value.strip() for line in lines for key, value in re.findall(r"(Model|Dataset|Mode): +(.*)", line)}
    totals = _numbers(rf"total images/sec: {NUMBER}$", lines)
    if not totals:
        raise InputError("it is cut off: it has no line `total images/sec: X`")
    everyone, each = _numbers(rf"Batch size: +{NUMBER} global", lines), _numbers(rf"{NUMBER} per device", lines)
    workers = round(everyone[0] / each[0]) if everyone and each else len(totals)
    if len(set(everyone)) > 1 or len(totals) not in (1, workers):
        raise InputError(
            f"it holds {len(totals)} lines `total images/sec` for {workers} workers: one run a file is wanted, with "
            "one such line or one of every rank"
        )
    mode = facts.get("Mode", "training")
    flaws = [RANK_0_TIMES_N.replace("rank 0's", "one rank's")]
    if "synthetic" in facts.get("Dataset", "synthetic"):
        flaws.insert(0, "synthetic images: no data pipeline")
    return [
        Reading(
            min(totals),
            workers,
            tuple(flaws),
            mode=Mode.TRAIN if "training" in mode else Mode.INFER,
            backbone=facts.get("Model", ""),
            batch_size=_whole(each[0]) if each else None,
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
        self.workers: list[float] = []

    def add(self, number: int, seconds: float, each: float, total: float) -> None:
        """An epoch's line."""
        if number != len(self.seconds) or not seconds or not each:
            raise InputError(
                f"epoch {number} ({seconds:g} s, {each:g} images/s) can't follow {len(self.seconds)} others"
            )
        self.seconds.append(seconds)
        self.images.append(total * seconds)
        self.workers.append(total / each)

    def reading(self) -> Reading:
        """Images over seconds of the epochs after `SETTLING_EPOCHS`."""
        if len(self.seconds) <= SETTLING_EPOCHS:
            raise InputError(
                f"it is cut off: a run in it has {len(self.seconds)} epochs, and the first {SETTLING_EPOCHS} settle"
            )
        # Printed with two decimals, the ratio is rough where workers are slow; the fastest epoch's is the best.
        workers = int(self.header[2]) if self.header else round(self.workers[self.images.index(max(self.images))])
        if any(abs(ratio - workers) > 0.1 * workers for ratio in self.workers[SETTLING_EPOCHS:]):
            raise InputError(f"throughput in total over that per worker is not the {workers} workers of its header")
        return Reading(
            sum(self.images[SETTLING_EPOCHS:]) / sum(self.seconds[SETTLING_EPOCHS:]),
            workers,
            (
                "validation, and loading the data anew where it was asked for, are inside the timing",
                RANK_0_TIMES_N,
                "the log does not tell whether the workers shared the images or each had all of them",
            ),
            batch_size=int(self.header[1]) if self.header else None,
            engine="tensorflow",
        )


def _train_log(lines: Sequence[str]) -> list[Reading]:
    """The program appends: a run begins with its header, or where epochs count from 0 again."""
    runs: list[_Epochs] = []
    for line in lines:
        header = re.search(r"batch_size = (\d+), global_batch_size = \d+, num_workers = (\d+)", line)
        if header:
            runs.append(_Epochs(header))
        elif re.search(r"Batch_size = (\d+)", line):
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
    rf"\[Performance\] Epoch (\d+) takes {NUMBER} seconds\. "
    rf"Throughput: {NUMBER} images/sec \(per worker\), {NUMBER} images/sec \(total\)"
)


def _numbers(pattern: str, lines: Sequence[str]) -> list[float]:
    def found() -> Iterator[float]:
        for line in lines:
            yield from (float(text) for text in re.findall(pattern, line.rstrip()))

    return list(found())


def _whole(number: str | float) -> int:
    return round(float(number))


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
