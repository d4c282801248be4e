"""What each backbone costs in memory, as plain data for a harness that loads no TensorFlow.

`costs.json` beside this file is written by `tools/network_costs.py`, from `deepgalaxy info BACKBONE --memory --json`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from deepgalaxy.errors import InputError, near_names

FILE = Path(__file__).with_name("costs.json")


class MemoryCost(msgspec.Struct, frozen=True, kw_only=True):
    """Of the classifier on a backbone, 71 classes, in fp32.

    parameters: trainable or not; trainable_parameters: of these, what has gradients and slots of an optimizer
    gradient_tensors: how many; operations: of the graph of a training step, a measure of its own size
    training_bytes_per_pixel, inference_bytes_per_pixel: most bytes of feature maps alive at once, an image and pixel,
        by liveness analysis of the step's graph (`deepgalaxy.networks.live`)
    """

    parameters: int
    trainable_parameters: int
    gradient_tensors: int
    operations: int
    training_bytes_per_pixel: float
    inference_bytes_per_pixel: float


@cache
def memory_costs() -> dict[str, MemoryCost]:
    """By backbone.

    Raises
    ------
    InputError: the file is damaged
    """
    try:
        return msgspec.json.decode(FILE.read_bytes(), type=dict[str, MemoryCost])
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{FILE}: {error}") from None


def memory_cost(backbone: str) -> MemoryCost:
    """Of one backbone.

    Raises
    ------
    InputError: none such
    """
    costs = memory_costs()
    if backbone not in costs:
        raise InputError(near_names("backbone", backbone, costs))
    return costs[backbone]
