"""A worker that computes nothing: all ranks of a run in one process, in a few milliseconds each step.

`python worker.py SPEC OUT`; what it does wrong is told by DG_FAULT.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from deepgalaxy.files import replacing
from deepgalaxy.record import MemorySample, RankRecord
from deepgalaxy.spec import RunSpec, read_json, to_json

STEP_S = 0.005


def main(spec_path: str, out: str) -> int:
    fault = os.environ.get("DG_FAULT", "")
    if fault == "never":
        time.sleep(600)
    if fault == "noise":
        sys.stderr.write("x" * 100 + "\n" * 200_000)
    spec = read_json(Path(spec_path), RunSpec)
    journals = [(Path(out) / f"rank-{rank:05d}.steps.jsonl").open("w", buffering=1) for rank in range(spec.workers)]
    for journal in journals:
        journal.write(json.dumps({"phase": "start", "pid": os.getpid(), "host": os.uname().nodename}) + "\n")
    total = spec.warmup_steps + spec.steps
    for step in range(total):
        time.sleep(STEP_S)
        if fault == "exit" and step == 2:
            return 7
        if fault == "stop" and step == 2:
            os.kill(os.getpid(), signal.SIGSTOP)
        for journal in journals:
            journal.write(json.dumps({"step": step + 1, "of": total, "step_time_s": STEP_S}) + "\n")
    for rank in range(spec.workers):
        path = Path(out) / f"rank-{rank:05d}.json"
        if fault == "garbage" and rank == 0:
            path.write_bytes(b"\x00\xff{ not json")
        else:
            with replacing(path) as partial:
                partial.write_bytes(to_json(record(spec, rank)))
    return 0


def record(spec: RunSpec, rank: int) -> RankRecord:
    memory = MemorySample(phase="start", rss_bytes=1, pss_bytes=1, peak_rss_bytes=1)
    return RankRecord(
        rank=rank,
        hostname=os.uname().nodename,
        boot_id="fake",
        pid=os.getpid(),
        cpus=[rank],
        step_time_s=[STEP_S] * spec.steps,
        data_wait_s=[0.0] * spec.steps,
        warmup_step_time_s=[STEP_S] * spec.warmup_steps,
        phase_time_s={"start": 0.1},
        memory=[memory],
        peak_rss_bytes=1,
        pss_bytes=1,
        voluntary_context_switches=0,
        involuntary_context_switches=0,
        loss=[],
        parameters=1,
        gradient_bytes=1,
        checks={},
        environment={},
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
