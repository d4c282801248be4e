"""How a rank's process is set up before TensorFlow loads: threads, kernels, allocator, MPI, Horovod.

Plain data and environment variables, nothing heavy to import: the launching process writes them, the ranks obey.
Where a rank computes is `deepgalaxy.placement`'s. Of a run, `Runtime.STOCK` gets none of this and `Runtime.TUNED` the
`Settings` of its site, by default those that `dgbench tune-runtime` found best on the machines it was tried on. All
of it is in the environment, and so in every rank's record.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

import msgspec

from deepgalaxy.errors import InputError

GRAPPLER = "DEEPGALAXY_GRAPPLER"
"""1: TensorFlow's graph optimiser looks at training graphs too."""

NICENESS = "DEEPGALAXY_BACKGROUND_NICENESS"
"""Of the threads that MPI and Horovod start beside a rank's computation."""

BUCKET = "DEEPGALAXY_BUCKET_MB"
"""Gradients are joined into messages of about so many MiB before Horovod sees them."""

LONE = "DEEPGALAXY_LONE_KB"
"""Gradients of so many KiB are not joined with others."""

LONE_FUSION_MB = 1.0
"""Of Horovod's fusion buffer where large gradients travel alone: else it joins them itself, with two copies of each."""

LOWEST_PRIORITY = 19

KEEP = "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184"
"""Freed memory stays with the process: else every large tensor's pages are mapped, zeroed and unmapped anew."""

HUGE = "glibc.malloc.hugetlb=1"
"""glibc 2.35 and later ask the kernel for transparent huge pages."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of every rank on a site; the table `[runtime]` of a site file.

    intra_threads: within an operation, of OpenMP as well; 0 for the rank's cores
    inter_threads: operations at a time. With one, Horovod gets the gradients late and in bunches; two ranks of
        EfficientNetB0 at 128² then needed up to 1.34 GiB each, with two 1.19.
    onednn: oneDNN's kernels where TensorFlow has both; it takes them by itself on CPUs with AVX-512 VNNI alone
    keep_memory, huge_pages: of glibc's allocator, see `KEEP` and `HUGE`. With both, steps on two cores were 1.06 times
        as fast with EfficientNetB0 at 128² and 1.05 with EfficientNetB4 at 256², in no more memory
    arenas: of glibc's allocator at most, as freed memory is used again within an arena alone; 0 for a few a core
    preload: another allocator's library, e.g. libtcmalloc_minimal.so.4
    yield_when_idle: waiting MPI ranks yield the core that they share with the computation (Open MPI)
    niceness: of MPI's and Horovod's threads where all ranks are on one node. They ask the other ranks a thousand times
        a second whether there is something to exchange, and poll for the answer: 2% of the core that computes. At the
        lowest priority, 19, they do so when the computation has come to wait for them, and an exchange on one node
        gains nothing by beginning sooner. But where anything else is at work on those cores, they then get a
        seventieth of one, and all ranks wait for them: only for cores that nobody shares. Between nodes, where the
        network carries what is ready while the cores go on, priorities stay as they are.
    cycle_time_ms: pause between rounds of Horovod's thread, which takes its rank's core each time; 0 for Horovod's own
        choice, 1. With 5, steps of 0.16 s on two ranks were 1.02 [0.995, 1.04] times as long.
    fusion_mb: of Horovod's fusion buffer; 0 for its own choice, or for `LONE_FUSION_MB` with `lone_kb`
    bucket_mb: gradients are joined into messages of about this size before Horovod sees them, which then has a few to
        agree on and to copy and not hundreds; 0 to leave joining to Horovod, as on GPUs and emulated ranks unless
        told otherwise. 25 is what PyTorch's data parallelism takes: one message of EfficientNetB0, four of ResNet50
    lone_kb: gradients of so many KiB or more travel alone and only smaller ones are joined, which spares a copy of most
        and lets MPI add them up within the caches; 0 to join all, as between nodes, where each message costs latency
    grappler: TensorFlow's optimiser for training graphs

    Raises
    ------
    InputError: a value out of its range
    """

    intra_threads: int = 0
    inter_threads: int = 2
    onednn: bool = True
    keep_memory: bool = True
    huge_pages: bool = True
    arenas: int = 0
    preload: str = ""
    yield_when_idle: bool = True
    niceness: int = 0
    cycle_time_ms: float = 0.0
    fusion_mb: float = 0.0
    bucket_mb: float = 25.0
    lone_kb: float = 0.0
    grappler: bool = False

    def __post_init__(self) -> None:
        bounds = {
            "intra_threads": (0, 4096),
            "inter_threads": (1, 4096),
            "arenas": (0, 4096),
            "niceness": (0, LOWEST_PRIORITY),
            "cycle_time_ms": (0, 1000),
            "fusion_mb": (0, 4096),
            "bucket_mb": (0, 4096),
            "lone_kb": (0, 2**22),
        }
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"runtime.{name} {getattr(self, name)} is outside {low} to {high}")


def variables(settings: Settings, cores: int, *, busy: bool = True) -> dict[str, str]:
    """The environment of a rank of `cores` cores. busy: it computes on them."""
    if not busy and settings.bucket_mb == Settings().bucket_mb:  # the default is that of ranks that compute
        settings = msgspec.structs.replace(settings, bucket_mb=0.0)
    lone = settings.bucket_mb > 0 and settings.lone_kb > 0
    fusion_mb = settings.fusion_mb or (LONE_FUSION_MB if lone else 0.0)
    threads = str(settings.intra_threads or cores)
    found = {
        "OMP_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": str(settings.inter_threads),
        "TF_ENABLE_ONEDNN_OPTS": str(int(settings.onednn)),
        "OMPI_MCA_mpi_yield_when_idle": str(int(settings.yield_when_idle)),
        NICENESS: str(settings.niceness),
    }
    glibc = {
        HUGE: settings.huge_pages,
        KEEP: settings.keep_memory,
        f"glibc.malloc.arena_max={settings.arenas}": settings.arenas > 0,
    }
    optional = {
        "GLIBC_TUNABLES": ":".join(text for text, wanted in glibc.items() if wanted),
        "LD_PRELOAD": settings.preload,
        "HOROVOD_CYCLE_TIME": f"{settings.cycle_time_ms:g}" if settings.cycle_time_ms else "",
        "HOROVOD_FUSION_THRESHOLD": f"{fusion_mb * 2**20:.0f}" if fusion_mb else "",
        BUCKET: f"{settings.bucket_mb:g}" if settings.bucket_mb else "",
        LONE: f"{settings.lone_kb:g}" if lone else "",
        GRAPPLER: "1" if settings.grappler else "",
    }
    return found | {name: value for name, value in optional.items() if value}


def prepare(cores: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Set up this very process for `cores` cores, as far as that can be done after its start; what is set stays.

    For commands that nobody launched: TensorFlow, MPI and Horovod read these as they load. The allocator has read its
    own by now, and stays as it is.
    """
    for name, value in variables(Settings(), cores).items():
        environment.setdefault(name, value)


def inter_threads(environment: Mapping[str, str] = os.environ) -> int:
    """How many operations at a time this rank was told to run."""
    return _number(environment, "TF_NUM_INTEROP_THREADS", Settings().inter_threads)


def niceness(environment: Mapping[str, str] = os.environ) -> int:
    """Of the threads beside the computation, where all ranks are on one node."""
    return _number(environment, NICENESS, Settings().niceness)


def bucket_bytes(environment: Mapping[str, str] = os.environ) -> float:
    """How large the messages are into which gradients are joined; 0 for one message a gradient."""
    return _amount(environment, BUCKET, "0", "MiB") * 2**20


def lone_bytes(environment: Mapping[str, str] = os.environ) -> float:
    """How large a gradient is that is not joined with others; infinite where all are."""
    return _amount(environment, LONE, "inf", "KiB") * 2**10


def grappler(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether training graphs go through TensorFlow's optimiser."""
    return _number(environment, GRAPPLER, int(Settings().grappler)) > 0


def _amount(environment: Mapping[str, str], name: str, default: str, unit: str) -> float:
    text = environment.get(name, default)
    try:
        return float(text)
    except ValueError:
        raise InputError(f"environment variable {name} is {text!r}, which is no number of {unit}") from None


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name, "")
    if value and not value.isdigit():
        raise InputError(f"environment variable {name} is {value!r}, which is not a whole number from 0 up")
    return int(value) if value else default
