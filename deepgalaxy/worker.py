"""One rank of one run: `python -m deepgalaxy.worker SPEC OUT`.

Reads a RunSpec, does what it says, and leaves in the folder OUT, for rank NNNNN:

  rank-NNNNN.steps.jsonl   one line a phase and a step while it runs: heartbeat and progress
  rank-NNNNN.json          the RankRecord, written whole at the end
  rank-NNNNN.failure.json  instead of it: outcome and reason

Exit codes: 0 done, 2 wrong input, 3 the result is not what was asked, 4 out of memory.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from deepgalaxy import placement, probe
from deepgalaxy.errors import USAGE_EXIT_CODE, BadResultError, InputError
from deepgalaxy.files import replacing
from deepgalaxy.lifetime import die_with_parent
from deepgalaxy.record import RankRecord
from deepgalaxy.spec import RunSpec, read_json, to_json
from deepgalaxy.words import Compute, Mode, Outcome, Runtime

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks
    from deepgalaxy.workload import Workload

BAD_RESULT_EXIT_CODE = 3
OOM_EXIT_CODE = 4


class Journal:
    """Phases and steps as they happen: times for the record, and a heartbeat for who watches."""

    def __init__(self, folder: Path, rank: int) -> None:
        self.phase_time_s: dict[str, float] = {}
        self.memory = [probe.memory("start")]
        self._last = psutil.Process().create_time()
        self._file = (folder / f"rank-{rank:05d}.steps.jsonl").open("w", buffering=1)
        self.phase("start")

    def phase(self, name: str) -> None:
        """The phase `name` has ended now."""
        now = time.time()
        self.phase_time_s[name] = now - self._last
        self._last = now
        self.memory.append(probe.memory(name))
        self._write({"phase": name, "pid": os.getpid(), "host": platform.node()})

    def step(self, number: int, of: int, step_time_s: float) -> None:
        """Step `number` of all (warm-up first) is done."""
        self._write({"step": number, "of": of, "step_time_s": step_time_s})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")


def main(argv: list[str]) -> int:
    """Run one rank; see the module's text for files and exit codes."""
    if len(argv) != 2:
        print("usage: python -m deepgalaxy.worker SPEC OUT", file=sys.stderr)
        return USAGE_EXIT_CODE
    die_with_parent()
    out = Path(argv[1])
    rank = placement.announced_rank(os.environ)
    try:
        spec = read_json(Path(argv[0]), RunSpec)
        record = _run(spec, out, rank)
    except (InputError, BadResultError, MemoryError) as error:
        return _fail(out, rank, error)
    except Exception as error:
        if "ResourceExhausted" in type(error).__name__:
            return _fail(out, rank, MemoryError(str(error).splitlines()[0]))
        raise  # anything else is a fault of ours: its traceback belongs in the log
    path = out / f"rank-{record.rank:05d}.json"
    with replacing(path) as partial:
        partial.write_bytes(to_json(record))
    return 0


def _fail(out: Path, rank: int, error: Exception) -> int:
    """Leave the reason beside the records, and say it in the log."""
    outcome, code = {
        BadResultError: (Outcome.BAD_RESULT, BAD_RESULT_EXIT_CODE),
        MemoryError: (Outcome.OOM, OOM_EXIT_CODE),
    }.get(type(error), (Outcome.LAUNCH_FAILED, USAGE_EXIT_CODE))
    reason = str(error) or "out of memory"
    print(f"rank {rank}: {outcome.value}: {reason}", file=sys.stderr, flush=True)
    failure = {"outcome": outcome.value, "reason": reason}
    (out / f"rank-{rank:05d}.failure.json").write_text(json.dumps(failure))
    return code


def _run(spec: RunSpec, out: Path, announced_rank: int) -> RankRecord:
    """Load, connect, build, warm up, measure."""
    tuned = spec.runtime is Runtime.TUNED
    cpus = placement.bind(spec.cores_per_worker) if tuned else sorted(os.sched_getaffinity(0))
    journal = Journal(out, announced_rank)
    from deepgalaxy.engine import load_tensorflow, peak_device_bytes, place

    tf = load_tensorflow(spec.engine, spec.precision, threads=len(cpus) if tuned else None)
    place(tf, spec.device, spec.engine, placement.local_rank(os.environ))
    tf.keras.utils.set_random_seed(spec.seed)
    journal.phase("import")
    ranks = _connected(spec, announced_rank)
    if (ranks.size, ranks.rank) != (spec.workers, announced_rank):
        raise BadResultError(
            f"rank {announced_rank} of {spec.workers} was asked for, {ranks.rank} of {ranks.size} started"
        )
    journal.phase("connect")
    measured = _work(spec)(spec, ranks, journal)
    journal.phase("measure")
    switches = psutil.Process().num_ctx_switches()
    ranks.wait_for_all()
    record = RankRecord(
        rank=ranks.rank,
        hostname=platform.node(),
        boot_id=probe.boot_id(),
        pid=os.getpid(),
        cpus=cpus,
        phase_time_s=journal.phase_time_s,
        memory=journal.memory,
        peak_rss_bytes=max(probe.peak_rss_bytes(), *(sample.peak_rss_bytes for sample in journal.memory)),
        pss_bytes=journal.memory[-1].pss_bytes,
        peak_device_bytes=peak_device_bytes(tf, spec.device, spec.engine),
        voluntary_context_switches=switches.voluntary,
        involuntary_context_switches=switches.involuntary,
        environment=probe.settings(),
        **measured,
    )
    ranks.leave()
    return record


def _connected(spec: RunSpec, announced_rank: int) -> Ranks:
    """The other ranks: through Horovod, or none for independent processes."""
    from deepgalaxy.training.ranks import Alone

    if not spec.exchange:
        return Alone(announced_rank, spec.workers)
    from deepgalaxy.training.distributed import connect

    return connect(yielding=spec.runtime is Runtime.TUNED)


def _work(spec: RunSpec) -> Callable[[RunSpec, Ranks, Journal], dict[str, Any]]:
    """What measures a point, and returns the fields of its record."""
    if spec.compute is Compute.EMULATED:
        return _emulate
    return _load if spec.mode is Mode.LOAD else _compute


def _emulate(spec: RunSpec, ranks: Ranks, journal: Journal) -> dict[str, Any]:
    """Wait in place of computing, and exchange gradients all the same."""
    import tensorflow as tf

    from deepgalaxy.emulation import THREADS, emulate  # imports TensorFlow, so only after it is set up

    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    return emulate(spec, ranks, journal.phase, journal.step)


def _load(spec: RunSpec, ranks: Ranks, journal: Journal) -> dict[str, Any]:
    """Ask for batches and do nothing with them."""
    from deepgalaxy.loading import measure_loading  # imports TensorFlow, so only after it is set up

    piped, plain, warmup = measure_loading(spec, ranks.rank, journal.step, ranks.wait_for_all)
    return {
        "step_time_s": piped,
        "data_wait_s": piped,
        "warmup_step_time_s": warmup,
        "plain_read_time_s": plain,
        "loss": [],
        "parameters": 0,
        "gradient_bytes": 0,
        "checks": {"ranks": str(ranks.size), "transport": ranks.transport},
    }


def _compute(spec: RunSpec, ranks: Ranks, journal: Journal) -> dict[str, Any]:
    """Build, trace, check and measure training or inference."""
    from deepgalaxy.workload import prepare  # imports TensorFlow, so only after it is set up

    work = prepare(spec, ranks)
    journal.phase("build")
    work.trace()
    shape = (spec.batch_size, spec.resolution, spec.resolution, 1)
    if work.input_shape != shape:
        raise BadResultError(f"batches of shape {shape} were asked for, the graph takes {work.input_shape}")
    journal.phase("trace")
    measured = _measure(spec, work, journal, ranks.wait_for_all)
    return {
        **measured,
        "answers": work.answers() if ranks.rank == 0 else None,
        "parameters": work.parameters,
        "gradient_bytes": work.gradient_bytes,
        "checks": {
            "products": " ".join(f"{name}:{count}" for name, count in sorted(work.products.items())),
            "input_shape": str(shape),
            "engine": spec.engine.value,
            "ranks": str(ranks.size),
            "transport": ranks.transport,
        },
    }


def _measure(
    spec: RunSpec, work: Workload, journal: Journal, wait_for_all: Callable[[], None]
) -> dict[str, list[float]]:
    """Warm-up steps, then the measured ones, every one with its batch, and raw."""
    total = spec.warmup_steps + spec.steps
    step_times: list[float] = []
    waits: list[float] = []
    values: list[float] = []
    batches: Iterator[Any] = iter(work.batches)
    gc.collect()
    gc.disable()  # a collection in mid-step would be a straggler of our own making
    ended = time.perf_counter()
    for number in range(total):
        if number == 1:
            journal.phase("first_step")
        if number == spec.warmup_steps:
            wait_for_all()
            ended = time.perf_counter()
        began = ended  # no gap between steps: what this loop costs counts as well
        batch = next(batches)
        waited = time.perf_counter()
        values.append(work.step(*batch))
        journal.step(number + 1, total, time.perf_counter() - began)
        ended = time.perf_counter()
        step_times.append(ended - began)
        waits.append(waited - began)
    gc.enable()
    work.check_values(values)
    w = spec.warmup_steps
    return {
        "step_time_s": step_times[w:],
        "data_wait_s": waits[w:],
        "warmup_step_time_s": step_times[:w],
        "loss": values if spec.mode is Mode.TRAIN else [],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
