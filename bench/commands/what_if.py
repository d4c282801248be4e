"""`dgbench project --what-if`: the same curve with something changed, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from deepgalaxy.errors import InputError, near_names

SWITCHES = ("fp16", "gpu")
NUMBERS = {"workers_per_node": int, "batch_size": int, "resolution": int, "fusion_mib": float, "step_seconds": float}
CHOICES = {"scaling": ("weak", "strong"), "exchange": ("mpi", "nccl")}
NAMES = ("network", "profile")
KNOWN = sorted(name.replace("_", "-") for name in (*SWITCHES, *NUMBERS, *CHOICES, *NAMES))


def changed(arguments: argparse.Namespace, scenario: str) -> argparse.Namespace:
    """The command line with the changes of a scenario: `network=ethernet-25,fp16`.

    Raises
    ------
    InputError: a change that is none of `KNOWN`, or whose value is not allowed
    """
    found = argparse.Namespace(**vars(arguments))
    for change in scenario.split(","):
        key, _, value = change.partition("=")
        name = key.strip().replace("-", "_")
        if name.replace("_", "-") not in KNOWN:
            raise InputError(f"--what-if {scenario}: {near_names('change', key.strip(), KNOWN)}")
        setattr(found, name, _value(scenario, name, value.strip()))
    return found


def _value(scenario: str, name: str, text: str) -> Any:
    if name in SWITCHES:
        if text:
            raise InputError(f"--what-if {scenario}: {name} takes no value")
        return True
    if name in NUMBERS:
        try:
            value = NUMBERS[name](text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            raise InputError(f"--what-if {scenario}: {name.replace('_', '-')} {text!r} is no number above 0")
        return value
    if name in CHOICES and text not in CHOICES[name]:
        raise InputError(f"--what-if {scenario}: {name} {text!r} is none of {', '.join(CHOICES[name])}")
    if not text:
        raise InputError(f"--what-if {scenario}: {name} needs a value")
    return text


def side_by_side(scenarios: Sequence[tuple[str, list[dict[str, Any]]]]) -> str:
    """Efficiency and throughput of each scenario by worker count; every figure is `projected`."""
    width = max(34, *(len(name) + 2 for name, _ in scenarios))
    lines = ["projected: efficiency [95% interval], images/s"]
    lines.append(f"{'workers':>8}" + "".join(f"{name:>{width}}" for name, _ in scenarios))
    for rows in zip(*(rows for _, rows in scenarios), strict=True):
        cells = [
            f"{row['efficiency']:.2f} [{row['efficiency_low']:.2f}, {row['efficiency_high']:.2f}] "
            f"{row['throughput_images_per_s']:>10.4g}"
            for row in rows
        ]
        lines.append(f"{rows[0]['workers']:>8}" + "".join(f"{cell:>{width}}" for cell in cells))
    return "\n".join(lines)
