"""A training step without its arithmetic: gradients of the right sizes, ready at the right times, really exchanged.

A rank waits where it would compute. Its gradients become ready one after the other, as in a measured backward pass
(`deepgalaxy.profile`), and Horovod negotiates, fuses and sums them as it does in training: the same operations in the
same kind of graph, on buffers of the same sizes. There are no images, no network and no optimizer.
"""

from __future__ import annotations

import gc
import os
import platform
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import tensorflow as tf
from numpy.typing import NDArray

from deepgalaxy.errors import BadResultError, InputError
from deepgalaxy.journal import Journal
from deepgalaxy.profile import ComputeProfile, read_profile
from deepgalaxy.record import StepSplit
from deepgalaxy.spec import SLOW_HOSTS, RunSpec
from deepgalaxy.training.timeline import exchange_s

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks

THREADS = 2
"""Of TensorFlow that run operations: one waits, the other hands over what has become ready."""

RELEASES = 64
"""Most moments of a step at which gradients become ready: each costs a call into Python."""

TOLERANCE = 1e-5
"""Of a sum of whole numbers, relative: float32 and the order of the sum."""


@dataclass
class Waits:
    """When in a step what happens, and how busy the machine is from the first gradient on.

    ready_s: (releases,) seconds from the step's begin
    """

    ready_s: NDArray[np.float64]
    began: float = 0.0
    scale: float = 1.0
    ready_after_s: float = 0.0
    _ticks: tuple[float, float] = (0.0, 0.0)
    _used: list[tuple[float, float]] = field(default_factory=list)

    def begin(self, began: float, scale: float) -> None:
        """A step begins, all of whose waits are `scale` times as long as on average."""
        self.began, self.scale = began, scale

    def until(self, release: int) -> np.int32:
        """Return when the gradients of a release are ready."""
        left = self.began + self.scale * self.ready_s[release] - time.perf_counter()
        if left > 0:
            time.sleep(left)
        if release == 0:
            self._ticks = _ticks()
        if release == len(self.ready_s) - 1:
            self.ready_after_s = time.perf_counter() - self.began
        return np.int32(release)

    def end(self) -> None:
        """The step has ended."""
        (busy, total), (busy_before, total_before) = _ticks(), self._ticks
        self._used.append((busy - busy_before, total - total_before))

    def busy_share(self, steps: int) -> float:
        """Share of all cores' time that was used while gradients were on their way, in the last `steps` steps."""
        busy, total = np.sum(self._used[-steps:], axis=0)
        return float(np.clip(busy / total, 0, 1)) if total else 0.0  # sums of counters since boot are rounded


def releases(profile: ComputeProfile) -> list[tuple[float, list[int]]]:
    """When gradients become ready, and the elements of those that do: at most about `RELEASES` moments.

    Gradients that follow each other closely wait for the last of them, never the other way round.
    """
    apart = profile.backward_s / RELEASES
    found: list[tuple[float, list[int]]] = []
    first = -apart
    for gradient in profile.gradients:
        if gradient.ready_s - first < apart and found:
            found[-1] = (gradient.ready_s, [*found[-1][1], gradient.elements])
        else:
            first = gradient.ready_s
            found.append((gradient.ready_s, [gradient.elements]))
    return found


def emulated_step(profile: ComputeProfile, ranks: Ranks) -> tuple[Waits, Callable[[], list[tf.Tensor]]]:
    """The waits of a step, and a function that does one and returns the summed gradients.

    Before, every element of rank r's gradients is r + 1.
    """
    moments = releases(profile)
    waits = Waits(profile.forward_s + np.array([ready for ready, _ in moments]))
    buffers = [[tf.Variable(tf.fill([n], ranks.rank + 1.0)) for n in elements] for _, elements in moments]

    def step() -> list[tf.Tensor]:
        gradients, waited = [], tf.constant(0)
        for number, group in enumerate(buffers):
            with tf.control_dependencies([waited]):
                waited = tf.numpy_function(waits.until, [number], tf.int32)
            with tf.control_dependencies([waited]):
                gradients += [tf.identity(buffer) for buffer in group]
        return ranks.sum(gradients)

    return waits, tf.function(step, autograph=False)


def emulate(spec: RunSpec, ranks: Ranks, journal: Journal) -> dict[str, Any]:
    """Warm-up steps, then the measured ones: the fields of a `RankRecord` that follow from them.

    `split` has the measured steps themselves: whole, and until the last gradient was ready.

    Raises
    ------
    InputError: the profile is missing, or of another network, resolution or batch
    BadResultError: sums that are wrong
    """
    profile = read_profile(Path(spec.profile))
    found, asked = ((p.backbone, p.resolution, p.batch_size) for p in (profile, spec))
    if found != asked:
        raise InputError(f"profile {spec.profile} is of {found}, not of the {asked} that was asked for")
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    waits, step = emulated_step(profile, ranks)
    slower = slowdown(os.environ.get(SLOW_HOSTS, ""), platform.node())
    journal.phase("build")
    draws = np.random.default_rng((spec.seed, ranks.rank)).choice(profile.step_jitter, spec.warmup_steps + spec.steps)
    times, ready = _steps(spec, ranks, journal, (waits, step), slower * draws)
    measured = slice(spec.warmup_steps, None)
    sizes = [g.elements for g in profile.gradients]
    return {
        "step_time_s": times[measured],
        "data_wait_s": [0.0] * spec.steps,
        "warmup_step_time_s": times[: spec.warmup_steps],
        "split": StepSplit(whole_s=times[measured], alone_s=ready[measured], compute_s=ready[measured]),
        "exchange_s": exchange_s(journal.timeline, spec.steps) if spec.timeline else {},
        "machine_busy_share": waits.busy_share(spec.steps),
        "loss": [],
        "parameters": sum(sizes),
        "gradient_bytes": 4 * sum(sizes),
        "checks": {
            "ranks": str(ranks.size),
            "transport": ranks.transport,
            "gradients": str(len(sizes)),
            "slowdown": f"{slower:g}",
        },
    }


def _steps(
    spec: RunSpec,
    ranks: Ranks,
    journal: Journal,
    emulated: tuple[Waits, Callable[[], list[tf.Tensor]]],
    scales: NDArray[np.float64],
) -> tuple[list[float], list[float]]:
    """Do a step for each scale; wall times of all, and when in each the last gradient was ready, seconds."""
    waits, step = emulated
    times: list[float] = []
    ready: list[float] = []
    during = ExitStack()
    gc.collect()
    gc.disable()  # a collection in mid-step would be a straggler of our own making
    for number, scale in enumerate(scales):
        if number == 1:
            journal.phase("first_step")
        if number == spec.warmup_steps:
            ranks.wait_for_all()
            if spec.timeline:
                during.enter_context(ranks.timeline(journal.timeline))
        began = time.perf_counter()
        waits.begin(began, float(scale))
        totals: list[tf.Tensor] = []  # the last step's go before the next one's come
        totals = step()
        waits.end()
        times.append(time.perf_counter() - began)
        ready.append(waits.ready_after_s)
        if number in (0, len(scales) - 1):
            _require_sums(totals, ranks)
        journal.step(number + 1, len(scales), times[-1])
    during.close()
    gc.enable()
    return times, ready


def slowdown(slow_hosts: str, host: str) -> float:
    """How many times longer than its profile a host's steps are, from the text of `SLOW_HOSTS`."""
    named = dict(text.partition("=")[::2] for text in slow_hosts.split(",") if text)
    return float(named.get(host, 1.0))


def _require_sums(totals: list[tf.Tensor], ranks: Ranks) -> None:
    """See to it that all ranks' gradients are in the sums, each once."""
    expected = ranks.size * (ranks.size + 1) / 2 if ranks.transport != "none" else ranks.rank + 1
    for number, total in enumerate(totals):
        wrong = np.abs(total.numpy() / expected - 1) > TOLERANCE
        if wrong.any():
            place = int(np.argmax(wrong))
            value = total.numpy()[place]
            raise BadResultError(f"element {place} of gradient {number} sums to {value}, not {expected}")


def _ticks() -> tuple[float, float]:
    """Seconds that all cores of the machine have worked, and have had, since boot."""
    times = psutil.cpu_times()
    total = sum(times[:8])
    return total - times.idle - times.iowait, total
