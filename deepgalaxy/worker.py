"""One rank of one run: `python -m deepgalaxy.worker SPEC OUT`.

Reads a RunSpec, does what it says, and leaves in the folder OUT, for rank NNNNN:

  rank-NNNNN.steps.jsonl   one line a phase and a step while it runs: heartbeat and progress
  rank-NNNNN.json          the RankRecord, written whole at the end
  rank-NNNNN.failure.json  instead of it: outcome and reason

Exit codes: 0 done, 2 wrong input, 3 the result is not what was asked, 4 out of memory.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from deepgalaxy import placement, probe
from deepgalaxy.errors import USAGE_EXIT_CODE, BadResultError, InputError
from deepgalaxy.files import replacing
from deepgalaxy.journal import Journal
from deepgalaxy.lifetime import die_with_parent
from deepgalaxy.measuring import compute, load
from deepgalaxy.record import RankRecord
from deepgalaxy.spec import RunSpec, read_json, to_json
from deepgalaxy.words import Compute, Mode, Outcome, Runtime, Trainer

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks

BAD_RESULT_EXIT_CODE = 3
OOM_EXIT_CODE = 4

AFTERWARDS = ("split", "operators", "yardstick", "exchanges")
"""Phases after the measured steps: what they need is none of the steps' memory."""


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
    if spec.allreduce_rounds:
        measured |= _exchanges(spec, ranks, journal)
    switches = psutil.Process().num_ctx_switches()
    ranks.wait_for_all()
    memory = [sample for sample in journal.memory if sample.phase not in AFTERWARDS]
    record = RankRecord(
        rank=ranks.rank,
        hostname=platform.node(),
        boot_id=probe.boot_id(),
        pid=os.getpid(),
        cpus=cpus,
        phase_time_s=journal.phase_time_s,
        memory=memory,
        peak_rss_bytes=max(sample.peak_rss_bytes for sample in memory),
        pss_bytes=memory[-1].pss_bytes,
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
    from deepgalaxy.training.ranks import Alone, Meeting

    if not spec.exchange:
        return (Meeting if spec.meet else Alone)(announced_rank, spec.workers)
    from deepgalaxy.training.distributed import connect

    return connect(yielding=spec.runtime is Runtime.TUNED, timeline=spec.timeline)


def _work(spec: RunSpec) -> Callable[[RunSpec, Ranks, Journal], dict[str, Any]]:
    """What measures a point, and returns the fields of its record."""
    if spec.compute is Compute.EMULATED:
        return _emulate
    if spec.trainer is not Trainer.SUITE:
        return _another_way
    return load if spec.mode is Mode.LOAD else compute


def _another_way(spec: RunSpec, ranks: Ranks, journal: Journal) -> dict[str, Any]:
    """Train as somebody else would."""
    from deepgalaxy.peers import train  # imports TensorFlow, so only after it is set up

    return train(spec, ranks, journal)


def _exchanges(spec: RunSpec, ranks: Ranks, journal: Journal) -> dict[str, Any]:
    """What sums over all ranks take, in time and of computing."""
    from deepgalaxy.training.exchanges import computing_lost, measure_exchanges

    found = {
        "exchanges": measure_exchanges(ranks, spec.allreduce_rounds),
        "computing_lost": computing_lost(ranks, spec.allreduce_rounds) if spec.compute is Compute.REAL else 0.0,
    }
    journal.phase("exchanges")
    return found


def _emulate(spec: RunSpec, ranks: Ranks, journal: Journal) -> dict[str, Any]:
    """Wait in place of computing, and exchange gradients all the same."""
    import tensorflow as tf

    from deepgalaxy.emulation import THREADS, emulate  # imports TensorFlow, so only after it is set up

    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    measured = emulate(spec, ranks, journal)
    journal.phase("measure")
    return measured


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
