"""What a process can read about itself and its machine: memory, identity, settings."""

from __future__ import annotations

import ctypes
import os
import time
from contextlib import suppress
from pathlib import Path

import psutil

from deepgalaxy.record import MemorySample

RECORDED_PREFIXES = (
    *("OMP_", "KMP_", "MKL_", "ONEDNN_", "DNNL_", "TF_ENABLE_", "TF_DISABLE_", "TF_NUM_", "TF_ONEDNN_", "TF_XLA_"),
    *("ITEX_", "HOROVOD_", "OMPI_MCA_", "GLIBC_TUNABLES", "LD_PRELOAD", "MALLOC_", "DEEPGALAXY_"),
)

SLOWDOWN = "DEEPGALAXY_SLOWDOWN"
"""Share of each step's time that a rank keeps its core busy after it: does a gate find a known slow-down?"""


def memory(phase: str) -> MemorySample:
    """This process's memory now, bytes."""
    full = psutil.Process().memory_full_info()
    return MemorySample(
        phase=phase, rss_bytes=full.rss, pss_bytes=full.pss, peak_rss_bytes=max(peak_rss_bytes(), full.rss)
    )


def peak_rss_bytes() -> int:
    """VmHWM: the most resident memory that this process ever had, or had since `forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def age_s() -> float:
    """Seconds since this process was started. The kernel tells it to a hundredth; psutil knows the boot to a second."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def forget_peak() -> None:
    """Give freed memory back, and let VmHWM begin anew, where C library and kernel allow it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def boot_id() -> str:
    """Identity of the running machine: equal for two ranks only where they share it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def settings() -> dict[str, str]:
    """Environment variables that change how fast a rank is."""
    return {k: v for k, v in sorted(os.environ.items()) if k.startswith(RECORDED_PREFIXES)}


def loaded_libraries() -> set[str]:
    """File names of the shared libraries in this process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {Path(fields[5]).name for line in lines if len(fields := line.split(None, 5)) == 6}
