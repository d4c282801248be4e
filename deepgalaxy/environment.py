"""What a machine and its software are, as far as it changes how fast a run is; recorded with every run.

Plain reads of /proc, /sys and installed packages' names; nothing is imported or started but `git`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from deepgalaxy.probe import boot_id

PACKAGES = ("tensorflow", "intel-extension-for-tensorflow", "horovod", "mpi4py", "openmpi", "numpy", "keras")

INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "avx_vnni", "sve", "bf16")
"""Those that matter to convolutions and matrix products."""

REPOSITORY = Path(__file__).resolve().parent.parent


def surroundings(root: Path = Path("/")) -> dict[str, object]:
    """The machine and software that this process runs on. What can't be found out is left out.

    caches: bytes by level; frequency_mhz: of the first core, now; lock_sha256: of the locked packages
    """
    facts: dict[str, object] = {
        "hostname": platform.node(),
        "boot_id": boot_id(),
        "cpu": _field(root, "model name"),
        "instructions": " ".join(name for name in INSTRUCTIONS if name in _field(root, "flags").split()),
        "cores": psutil.cpu_count(logical=False),
        "threads": psutil.cpu_count(),
        "numa_nodes": len(list((root / "sys/devices/system/node").glob("node[0-9]*"))),
        "caches": _caches(root / "sys/devices/system/cpu/cpu0/cache"),
        "governor": _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "frequency_mhz": _field(root, "cpu MHz"),
        "huge_pages": _text(root / "sys/kernel/mm/transparent_hugepage/enabled"),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": list(os.getloadavg()),
        "scheduler": "slurm" if "SLURM_JOB_ID" in os.environ else "",
        **{name: found for name in PACKAGES if (found := _version(name))},
        **_code(),
    }
    return {name: fact for name, fact in facts.items() if fact not in ("", None, {}, 0)}


def _field(root: Path, name: str) -> str:
    """The first value of that name in /proc/cpuinfo."""
    for line in _text(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _caches(folder: Path) -> dict[str, int]:
    found = {}
    for entry in sorted(folder.glob("index[0-9]*")):
        kind, size = _text(entry / "type"), _text(entry / "size")
        if size.endswith("K") and kind != "Instruction":
            found[f"L{_text(entry / 'level')}"] = int(size[:-1]) * 1024
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _version(package: str) -> str:
    with suppress(PackageNotFoundError):
        return version(package)
    return ""


def _code() -> dict[str, str]:
    """Commit of the suite, `+` where files differ from it, and the digest of its lock file."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = "+" if commit and _git("status", "--porcelain", "--untracked-files=no") else ""
    lock = REPOSITORY / "requirements.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12] if lock.is_file() else ""
    return {"commit": commit + changed, "lock_sha256": digest}


def _git(*tokens: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *tokens]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
